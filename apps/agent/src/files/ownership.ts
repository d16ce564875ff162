import { readFileSync } from 'node:fs';
import { AgentError } from '../agent-error.ts';
import { codeOf } from '../state/system-error.ts';

/** Whom a file belongs to, by number; what is absent stays as it was born. */
export type Ownership = { user?: number | undefined; group?: number | undefined };

/** What a file is that cannot be made theirs. */
export const NOT_GIVEN = 'cannot be given to its owner and group';

/** As they are named: numbers, or names of this host's own accounts. */
type Named = { owner?: string | number | undefined; group?: string | number | undefined };

/**
 * The numbers of a user and a group; undefined where neither is named. `where` they are named is told in errors. Names are those of /etc/passwd and
 * /etc/group: what another directory knows has to be given by number.
 *
 * @throws AgentError `usage.invalid` for a name that is not there
 */
export function ownershipOf({ owner, group }: Named, where: string): Ownership | undefined {
  if (owner === undefined && group === undefined) return undefined;
  return {
    user: owner === undefined ? undefined : userNumber(owner, where),
    group:
      group === undefined ? undefined : numberOf('group', group, { file: '/etc/group', where }),
  };
}

/** The number of a user that is named likewise. @throws AgentError `usage.invalid` */
export function userNumber(user: string | number, where: string): number {
  return numberOf('user', user, { file: '/etc/passwd', where });
}

function numberOf(
  what: string,
  account: string | number,
  { file, where }: { file: string; where: string },
): number {
  if (typeof account === 'number') return account;
  const fields = linesOf(file)
    .map((line) => line.split(':'))
    .find(([name]) => name === account);
  const number = fields?.[2];
  if (number !== undefined && /^\d+$/.test(number)) return Number(number);
  throw new AgentError('usage.invalid', `there is no ${what} ${account} in ${file}`, {
    advice: `name one that is there in ${where}, or give the number of the ${what}`,
  });
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
