import { trustAnchors, uuid } from '@sallyport/contract';
import { z } from 'zod';
import type { Identity } from './identity.ts';
import type { StateDirectory } from './state-directory.ts';

/** `trust.json`: the CAs that the control plane named last. They are of one enrolment. */
const stored = z.strictObject({ format: z.literal(1), agentId: uuid, trustAnchors });

/**
 * The CAs that are trusted with the link to the control plane, PEM each: those that it named last, else those of the
 * enrolment, and whichever a person gave.
 */
export async function readTrustAnchors(
  state: Pick<StateDirectory, 'read'>,
  identity: TrustOfEnrollment,
): Promise<string[]> {
  const bytes = await state.read('trust.json');
  if (bytes === undefined) return [...identity.trustAnchors];
  try {
    const { agentId, trustAnchors: named } = stored.parse(JSON.parse(bytes.toString('utf8')));
    return agentId === identity.agentId ? withGiven(named, identity) : [...identity.trustAnchors];
  } catch {
    return [...identity.trustAnchors];
  }
}

type TrustOfEnrollment = Pick<Identity, 'agentId' | 'trustAnchors' | 'givenAnchor'>;

/** Keeps what the control plane names. */
export async function keepTrustAnchors(
  state: Pick<StateDirectory, 'write'>,
  { agentId }: Pick<Identity, 'agentId'>,
  named: string[],
): Promise<void> {
  const content: z.infer<typeof stored> = {
    format: 1,
    agentId,
    trustAnchors: named,
  };
  await state.write('trust.json', JSON.stringify(content));
}

/** The CA that somebody gave by hand is theirs to take away. */
export function withGiven(
  named: readonly string[],
  { givenAnchor }: Pick<Identity, 'givenAnchor'>,
): string[] {
  return [...new Set([...(givenAnchor === undefined ? [] : [givenAnchor]), ...named])];
}
