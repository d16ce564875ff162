import { ownershipOf } from '../files/ownership.ts';
import type { SocketSettings } from '../local-api-settings.ts';
import type { SocketAccess } from './claim-socket.ts';
import { usersOf, type Users } from './users.ts';

/**
 * Who may use a further socket, by the numbers that this host has for the names.
 *
 * @throws AgentError `usage.invalid` for a name that is not there, `local_api.unusable` as `usersOf`
 */
export function socketAccessOf({ path, mode, owner, group, users }: SocketSettings): {
  file: SocketAccess;
  users: Users | undefined;
} {
  const ownership = ownershipOf({ owner, group }, 'localApi.sockets');
  return { file: { mode: Number.parseInt(mode, 8), ownership }, users: usersOf(path, users) };
}
