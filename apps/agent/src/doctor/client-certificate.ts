import { X509Certificate } from 'node:crypto';
import { showCertificate } from '@sallyport/tls/link-probe';
import { expiringFromMs, type ClientCertificate } from '../state/client-certificate.ts';
import { failed, ok, warning, type Found } from './finding.ts';
import type { Host } from './host.ts';

/** What the agent shows of itself when it connects, where it opens sessions so. */
export async function clientCertificate(host: Host): Promise<Found> {
  const { authentication } = host.config;
  if (authentication !== 'certificate') return ok(`none: sessions are opened by ${authentication}`);
  const certificate = await host.certificate();
  const stores = await host.stores();
  if (certificate !== undefined && stores?.keystore !== undefined)
    return given(certificate, host.clock.now());
  const state = await host.state();
  if (certificate === undefined)
    return (await state.read('certificate.json')) === undefined
      ? warning('there is none yet', 'the running agent asks for one with its key')
      : warning(
          `${state.join('certificate.json')} is damaged or of another enrolment`,
          'the running agent asks for a new one with its key',
        );
  const until = new Date(certificate.notAfterMs).toISOString();
  if (certificate.notAfterMs <= host.clock.now())
    return failed(
      `it expired at ${until}`,
      'start the agent: it asks for a new one with its key, which the control plane allows for agentCertificates.recoveryDays',
    );
  return ok(`serial number ${certificate.serialNumber}, good until ${until}`);
}

/** Of controlPlane.keystore, which is not the agent's to renew. */
function given(certificate: ClientCertificate, nowMs: number): Found {
  const { fingerprint, notAfter } = showCertificate(new X509Certificate(certificate.cert), nowMs);
  const detail = `${fingerprint}, from controlPlane.keystore, good until ${notAfter}`;
  if (nowMs < expiringFromMs(certificate)) return ok(detail);
  return warning(detail, 'put a new one into the keystore; the running agent reads it by itself');
}
