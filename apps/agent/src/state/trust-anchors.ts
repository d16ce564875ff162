import { X509Certificate } from 'node:crypto';
import { trustAnchors, uuid } from '@sallyport/contract';
import { z } from 'zod';
import type { StoredIdentity } from './identity.ts';
import type { StateDirectory } from './state-directory.ts';

/** `trust.json`: the CAs that the control plane named last. They are of one enrolment. */
const stored = z.strictObject({ format: z.literal(1), agentId: uuid, trustAnchors });

type OfEnrollment = Pick<StoredIdentity, 'agentId' | 'trustAnchors' | 'givenAnchor'>;

/**
 * The CAs that are trusted with the link to the control plane, PEM each: those that it named last, else those of the
 * enrolment, and whichever a person gave.
 */
export async function readTrustAnchors(
  state: Pick<StateDirectory, 'read'>,
  identity: OfEnrollment,
): Promise<string[]> {
  const named = await namedLast(state, identity);
  return named === undefined ? identity.trustAnchors : withGiven(named, identity);
}

/** Whether there is a file of what the control plane named last, and nothing in it that can be used. */
export async function isNamedInVain(
  state: Pick<StateDirectory, 'read'>,
  identity: Pick<OfEnrollment, 'agentId'>,
): Promise<boolean> {
  const isThere = (await state.read('trust.json')) !== undefined;
  return isThere && (await namedLast(state, identity)) === undefined;
}

/** Keeps what the control plane names. */
export async function keepTrustAnchors(
  state: Pick<StateDirectory, 'write'>,
  { agentId }: Pick<StoredIdentity, 'agentId'>,
  named: string[],
): Promise<void> {
  const content: z.infer<typeof stored> = { format: 1, agentId, trustAnchors: named };
  await state.write('trust.json', JSON.stringify(content));
}

/** The CA that somebody gave by hand is theirs to take away. */
export function withGiven(
  named: readonly string[],
  { givenAnchor }: { givenAnchor?: string | undefined },
): string[] {
  return [...new Set([...(givenAnchor === undefined ? [] : [givenAnchor]), ...named])];
}

/** Undefined before the first time, and where the file is damaged or of another enrolment. */
async function namedLast(
  state: Pick<StateDirectory, 'read'>,
  { agentId }: Pick<OfEnrollment, 'agentId'>,
): Promise<string[] | undefined> {
  const bytes = await state.read('trust.json');
  try {
    const found = stored.parse(JSON.parse(bytes?.toString('utf8') ?? ''));
    return found.agentId === agentId && areCertificates(found.trustAnchors)
      ? found.trustAnchors
      : undefined;
  } catch {
    return undefined;
  }
}

/** Whether each is a certificate: a list of anything else would trust nobody, and could not be replaced again. */
export function areCertificates(anchors: readonly string[]): boolean {
  try {
    return anchors.every((pem) => new X509Certificate(pem).raw.length > 0);
  } catch {
    return false;
  }
}

/** Whether a file in PEM holds certificates, and none that is damaged: OpenSSL would leave that one out and say nothing. */
export function holdsCertificates(file: string): boolean {
  const own = file.match(PEM) ?? [];
  const markers = file.match(/-----(?:BEGIN|END) [A-Z0-9 ]*CERT/g) ?? [];
  return own.length > 0 && markers.length === 2 * own.length && areCertificates(own);
}

/**
 * What a person gave, by a file or by its fingerprint, that is not among what the control plane names: it is theirs to
 * take away. Undefined when the control plane names all of it.
 */
export function givenBesides(given: string, named: readonly string[]): string | undefined {
  const known = new Set(named.map((pem) => new X509Certificate(pem).fingerprint256));
  const own = given
    .match(PEM)
    ?.filter((pem) => !known.has(new X509Certificate(pem).fingerprint256));
  return own === undefined || own.length === 0 ? undefined : own.join('\n');
}

/** As OpenSSL takes it, which has older names for it, too; and one without its end, which is no certificate. */
const PEM = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]*(?:-----END \1-----)?/g;
