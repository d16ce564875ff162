import { X509Certificate } from 'node:crypto';
import { trustAnchors, uuid } from '@sallyport/contract';
import { areCertificates, certificatesInPem } from '@sallyport/tls/certificates-in-pem';
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
    // A list of anything else would trust nobody, and could not be replaced again.
    return found.agentId === agentId && areCertificates(found.trustAnchors)
      ? found.trustAnchors
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What a person gave, by a file or by its fingerprint, that is not among what the control plane names: it is theirs to
 * take away. Undefined when the control plane names all of it.
 */
export function givenBesides(given: string, named: readonly string[]): string | undefined {
  const known = new Set(named.map((pem) => new X509Certificate(pem).fingerprint256));
  const own = certificatesInPem(given).filter(
    (pem) => !known.has(new X509Certificate(pem).fingerprint256),
  );
  return own.length === 0 ? undefined : own.join('\n');
}
