import { AgentError } from '../agent-error.ts';
import { userNumber } from '../files/ownership.ts';
import type { Peer } from '../host/libc.ts';
import { arePeersTold } from '../host/peers.ts';

/** The users whose programs are let in at a socket, by number. */
export type Users = ReadonlySet<number>;

/**
 * The users that a socket names; undefined where it names none, and the permissions of its file alone decide.
 *
 * @throws AgentError `usage.invalid` for a name that is not there, `local_api.unusable` where nobody could be told
 * from anybody
 */
export function usersOf(
  path: string,
  named: readonly (string | number)[] | undefined,
): Users | undefined {
  if (named === undefined) return undefined;
  if (!arePeersTold())
    throw new AgentError(
      'local_api.unusable',
      `the agent cannot tell which users’ programs ask at ${path}`,
      {
        advice:
          'run it on Linux with a Node that has node:ffi, or take users out of localApi.sockets',
      },
    );
  return new Set(named.map((user) => told(userNumber(user, 'localApi.sockets'))));
}

/** The number that the kernel gives to every user who is unknown in a container's user namespace (user_namespaces(7)). */
const OVERFLOW_USER = 65_534;

/** @throws AgentError `usage.invalid` for the number that stands for anybody */
function told(user: number): number {
  if (user !== OVERFLOW_USER) return user;
  throw new AgentError(
    'usage.invalid',
    `localApi.sockets: user ${OVERFLOW_USER} may be anybody whom the kernel cannot tell in a container`,
    { advice: 'run the program as a user of its own, and name that in users' },
  );
}

/** A program of which nothing is known is of none of them. */
export function isOneOf(users: Users, peer: Peer | undefined): boolean {
  return peer !== undefined && users.has(peer.uid);
}

/** @throws AgentError `request.user_refused`, also for a program of which nothing is known */
export function admitUser(users: Users, peer: Peer | undefined): void {
  if (isOneOf(users, peer)) return;
  const whose = peer === undefined ? 'an unknown user' : `user ${peer.uid}`;
  throw new AgentError('request.user_refused', `programs of ${whose} may not ask at this socket`, {
    advice: 'ask at another socket, or add the user to users of this one',
  });
}
