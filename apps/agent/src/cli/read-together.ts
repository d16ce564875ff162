import { AgentError } from '../agent-error.ts';
import { secretReply } from '../local-api/replies.ts';
import { secretPath, type LocalClient } from './local-client.ts';

/** A secret, or one field of it. */
export type Wanted = { secret: string; field: string | undefined };

/** Codes that are about one of the things that were asked for, not about the agent. */
const OF_ONE_NAME =
  /not_found$|^(?:reference|secret)\.|^lease\.outside_window$|^request\.not_allowed$/;

/** How often values are read again that come from different revisions. */
const MAX_ATTEMPTS = 5;

/** Values of one revision, in the order in which they were asked for. Nothing asked for is of revision 0. */
export type Together = { revision: number; values: readonly string[] };

/**
 * The values of one revision: a user name of the old one and a password of the new one would not fit.
 *
 * @throws AgentError `agent.not_ready` when there was another revision each time, and those of `LocalClient.read`
 */
export async function readTogether(
  wanted: readonly Wanted[],
  client: LocalClient,
): Promise<Together> {
  return untilOneRevision(async () => {
    const read = await Promise.all(wanted.map((one) => readSecret(one, client)));
    return {
      revisions: read.map(({ revision }) => revision),
      result: { revision: read[0]?.revision ?? 0, values: read.map(({ value }) => value) },
    };
  });
}

/** What `read` gives once everything that it read is of one revision. @throws AgentError `agent.not_ready` */
export async function untilOneRevision<Result>(
  read: () => Promise<{ revisions: readonly number[]; result: Result }>,
): Promise<Result> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const { revisions, result } = await read();
    if (new Set(revisions).size <= 1) return result;
  }
  throw new AgentError(
    'agent.not_ready',
    `the secrets changed each of the ${MAX_ATTEMPTS} times that they were read`,
    { advice: 'try again once the group is at rest' },
  );
}

/** One secret; an error that is about it names it. */
export async function readSecret({ secret, field }: Wanted, client: LocalClient) {
  return client.read(secretPath(secret, field), secretReply).catch((error: unknown) => {
    throw named(error, secret);
  });
}

/** Puts the name of what was asked for before an error that is about it. */
export function named(error: unknown, name: string): unknown {
  if (!(error instanceof AgentError) || !OF_ONE_NAME.test(error.code)) return error;
  return new AgentError(error.code, `${name}: ${error.message}`, { cause: error });
}
