import type { X509Certificate } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import { type CipherSuite, isWeakSuite } from './cipher-suites.ts';
import { parseEndpoint } from './endpoint.ts';
import { certificateFingerprint } from './fingerprint.ts';
import { handshake } from './handshake.ts';
import { LinkError, type LinkErrorCode } from './link-error.ts';
import { negotiatedOn, type Negotiated } from './negotiated.ts';
import {
  defaultTlsPolicy,
  isLegacyVersion,
  suiteFits,
  tlsOptions,
  type TlsPolicy,
  type TlsVersion,
  versionsOf,
} from './policy.ts';
import { presentedChain } from './presented-chain.ts';
import type { Route } from './route.ts';
import { secureContextFor, type ClientIdentity } from './secure-context.ts';
import { validityOf, writtenTime } from './validity.ts';

/** A link as `HttpsLink` takes it. */
export type ProbeTarget = {
  baseUrl: string;
  ca?: string | undefined;
  peerName?: string | undefined;
  identity?: ClientIdentity | undefined;
  tls?: TlsPolicy | undefined;
  route?: Route | undefined;
  /** For each handshake, and as much again for the way through a proxy; default 10 seconds. */
  timeoutMs?: number | undefined;
};

export type LinkProbe = {
  /** Undefined when the peer was not reached, or agreed on nothing. */
  negotiated: Negotiated | undefined;
  /** What the peer presented, its own certificate first. */
  chain: X509Certificate[];
  /** Why the link is not good; undefined when it is. */
  failure: LinkError | undefined;
};

/** `accepted` is null when `code` tells nothing of the peer's choice, such as a connection that timed out. */
export type Offer = {
  name: TlsVersion | CipherSuite;
  accepted: boolean | null;
  isWeak: boolean;
  code: LinkErrorCode | null;
};

const ABOUT_TRUST: ReadonlySet<LinkErrorCode> = new Set([
  'tls.agent_certificate',
  'tls.certificate_unusable',
  'tls.expired',
  'tls.name_mismatch',
  'tls.unknown_ca',
  'tls.wrong_usage',
]);
/** The ways in which a peer says that it takes nothing of what it is offered. */
const REFUSALS: ReadonlySet<LinkErrorCode> = new Set([
  'tls.version',
  'tls.handshake',
  'link.reset',
]);

/**
 * Connects as the link would, and sends no byte of a request. When the peer is not trusted it is connected to
 * once more, only to see what it presents.
 *
 * @throws LinkError for a URL that no link can have
 */
export async function probeLink(target: ProbeTarget): Promise<LinkProbe> {
  const endpoint = parseEndpoint(target.baseUrl);
  const { peerName, route, timeoutMs = 10_000 } = target;
  const look = async (trust: ConnectionOptions) => {
    const socket = await handshake(endpoint, trust, { timeoutMs, route, peerName });
    const seen = { negotiated: negotiatedOn(socket), chain: presentedChain(socket) };
    socket.destroy();
    return seen;
  };
  try {
    const seen = await look({
      secureContext: secureContextFor(target.ca, target.tls, target.identity),
    });
    return { ...seen, failure: undefined };
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    const nothing = { negotiated: undefined, chain: [] };
    const seen = ABOUT_TRUST.has(error.code)
      ? await look(trustingAnybody(target.tls)).catch(() => nothing)
      : nothing;
    return { ...seen, failure: error };
  }
}

/** Only ever for looking: nothing is sent over such a connection. */
function trustingAnybody(policy: TlsPolicy | undefined): ConnectionOptions {
  return { ...tlsOptions(policy), rejectUnauthorized: false };
}

/**
 * Offers TLS 1.2, TLS 1.3 and what else the target's policy has, each version and each suite alone, one after the
 * other, and tells which of them the peer takes. Whether the peer is trusted does not matter to that: nothing is
 * sent.
 */
export async function probeOffers(target: ProbeTarget): Promise<Offer[]> {
  const policy = target.tls ?? defaultTlsPolicy;
  const versions = [...new Set([...versionsOf(policy), ...versionsOf(defaultTlsPolicy)])].map(
    (version) => ({
      name: version,
      isWeak: isLegacyVersion(version),
      alone: onlyVersion(version, policy),
    }),
  );
  const suites = policy.cipherSuites.map((suite) => ({
    name: suite,
    isWeak: isWeakSuite(suite),
    alone: { ...policy, cipherSuites: [suite] },
  }));
  const offers: Offer[] = [];
  for (const { name, isWeak, alone } of [...versions, ...suites])
    offers.push({ name, isWeak, ...(await offer(target, alone)) });
  return offers;
}

/** A version that the policy leaves no suite of is offered with the safe ones. */
function onlyVersion(version: TlsVersion, policy: TlsPolicy): TlsPolicy {
  const own = policy.cipherSuites.filter((suite) => suiteFits(suite, version));
  const cipherSuites = own.length > 0 ? own : defaultTlsPolicy.cipherSuites;
  return { ...policy, cipherSuites, minVersion: version, maxVersion: version };
}

async function offer(
  { baseUrl, route, timeoutMs = 10_000 }: ProbeTarget,
  policy: TlsPolicy,
): Promise<Pick<Offer, 'accepted' | 'code'>> {
  try {
    const options = { timeoutMs, route };
    const socket = await handshake(parseEndpoint(baseUrl), trustingAnybody(policy), options);
    socket.destroy();
    return { accepted: true, code: null };
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    return { accepted: REFUSALS.has(error.code) ? false : null, code: error.code };
  }
}

/** A certificate as a person compares it. */
export type ShownCertificate = {
  /** Empty where the certificate has none beside its alternative names. */
  subject: string;
  fingerprint: string;
  notBefore: string;
  notAfter: string;
  /** Whole days, negative once it has ended. */
  daysLeft: number;
  /** Less than a sixth of its life is left, and less than two weeks: by then it should have been renewed. */
  isEnding: boolean;
};

const DAY_MS = 86_400_000;

export function showCertificate(certificate: X509Certificate, nowMs: number): ShownCertificate {
  const { from, to } = validityOf(certificate);
  // Not there at all where it is empty, whatever its type says.
  const subject: string | undefined = certificate.subject;
  const lifeMs = to.getTime() - from.getTime();
  const leftMs = to.getTime() - nowMs;
  return {
    subject: subject?.split('\n').join(', ') ?? '',
    fingerprint: certificateFingerprint(certificate),
    notBefore: writtenTime(from),
    notAfter: writtenTime(to),
    daysLeft: Math.floor((leftMs || 0) / DAY_MS),
    isEnding: !(leftMs >= Math.min(14 * DAY_MS, lifeMs / 6)),
  };
}
