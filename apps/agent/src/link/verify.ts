import { problem } from '@sallyport/contract';
import { parseEndpoint } from '@sallyport/tls/endpoint';
import { certificateFingerprint } from '@sallyport/tls/fingerprint';
import { HttpsLink, LinkError } from '@sallyport/tls/https-link';
import {
  probeLink,
  probeOffers,
  showCertificate,
  type Offer,
  type ShownCertificate,
} from '@sallyport/tls/link-probe';
import type { Negotiated } from '@sallyport/tls/negotiated';
import { detourTo } from '@sallyport/tls/route';
import { sentenceOf } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import type { AgentConfig } from '../config.ts';
import type { Identity } from '../state/identity.ts';
import {
  linkToControlPlane,
  type Brought,
  type LinkToControlPlane,
} from './link-to-control-plane.ts';
import { adviceFor } from './refusals.ts';
import { ServerClock } from './server-clock.ts';
import { trustFor, type Trust } from './trust.ts';

/** What there is to know of the link to the control plane. Nothing in it is secret. */
export type LinkReport = {
  controlPlane: string;
  way: { proxy: string | null; address: string | null };
  trust: { from: Trust['from']; fingerprints: string[] };
  /** `certificateFingerprint` is of the certificate that the agent shows in the handshake, if it does. */
  agent: { keyThumbprint: string; certificateFingerprint: string | null };
  negotiated: Negotiated | null;
  /** As presented, the control plane’s own first. */
  certificates: ShownCertificate[];
  /** The agent’s clock minus the control plane’s, to about a second. */
  clockOffsetMilliseconds: number | null;
  offers: Offer[];
  failure: { code: string; message: string } | null;
};

type Looked = Required<Brought> & {
  identity: Identity;
  config: AgentConfig;
  clock: Pick<Clock, 'now'>;
};

/**
 * Connects to the control plane as the daemon does, with the same trust, TLS policy, proxy and address, and
 * reports; also when the link is not good. A request without any credentials tells the control plane’s time.
 *
 * @throws AgentError `usage.invalid` for a proxy.ca that cannot be used; LinkError `proxy.bad_url`
 */
export async function verifyLink(looked: Looked): Promise<LinkReport> {
  const { identity, config, clock } = looked;
  const target = await linkToControlPlane(identity, config, looked);
  const { negotiated, chain, failure } = await probeLink(target);
  const heard = failure === undefined ? await listen(target, clock) : undefined;
  const isReached =
    negotiated !== undefined || chain.length > 0 || failure?.code.startsWith('tls.');
  const why = failure ?? heard?.failure;
  return {
    ...(await describeWay(looked, target)),
    negotiated: negotiated ?? null,
    certificates: chain.map((certificate) => showCertificate(certificate, clock.now())),
    clockOffsetMilliseconds: heard?.offsetMs ?? null,
    offers: isReached === true ? await probeOffers(target) : [],
    failure: why === undefined ? null : { code: why.code, message: inFull(why) },
  };
}

function inFull({ code, message }: LinkError): string {
  return sentenceOf({ message, advice: adviceFor(code) });
}

async function describeWay(
  { identity, certificate, stores }: Looked,
  { baseUrl, route }: LinkToControlPlane,
): Promise<Pick<LinkReport, 'controlPlane' | 'way' | 'trust' | 'agent'>> {
  const { proxy, address } = detourTo(parseEndpoint(baseUrl), route) ?? {};
  const { from, certificates } = trustFor(identity, stores);
  return {
    controlPlane: baseUrl,
    way: { proxy: proxy?.origin ?? null, address: address ?? null },
    trust: { from, fingerprints: certificates.map((each) => certificateFingerprint(each)) },
    agent: {
      keyThumbprint: identity.signingKey.thumbprint,
      certificateFingerprint:
        certificate === undefined ? null : certificateFingerprint(certificate.cert),
    },
  };
}

/** Any refusal that is a problem document is an answer of the control plane. */
async function listen(
  target: LinkToControlPlane,
  clock: Pick<Clock, 'now'>,
): Promise<{ offsetMs?: number | undefined; failure?: LinkError }> {
  const link = new HttpsLink(target);
  try {
    const { headers, body } = await link.request('GET', '/agent/v1');
    const serverClock = new ServerClock(clock);
    serverClock.observe(headers.date);
    return {
      offsetMs: serverClock.offsetMs(),
      ...(isProblem(body) ? {} : { failure: noControlPlane(target.baseUrl) }),
    };
  } catch (error) {
    if (error instanceof LinkError) return { failure: error };
    throw error;
  } finally {
    link.close();
  }
}

function isProblem(body: Buffer): boolean {
  try {
    return problem.safeParse(JSON.parse(body.toString('utf8'))).success;
  } catch {
    return false;
  }
}

function noControlPlane(url: string): LinkError {
  return new LinkError(
    'link.protocol',
    `What answers at ${url} is no control plane; check the address, and what stands in front of it.`,
    { retryable: false },
  );
}
