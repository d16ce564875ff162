import { failed, ok, warning, type Found } from './finding.ts';
import type { Host } from './host.ts';

/** What the agent shows of itself when it connects, where it opens sessions so. */
export async function clientCertificate(host: Host): Promise<Found> {
  const { authentication } = host.config;
  if (authentication !== 'certificate') return ok(`none: sessions are opened by ${authentication}`);
  const state = await host.state();
  const certificate = await host.certificate();
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
