import type { Socket } from 'node:net';
import type { LinkError } from '../link-error.ts';
import {
  authenticationRequired,
  closedEarly,
  denied,
  hostUnreachable,
  notAProxy,
  type Target,
} from './failure.ts';
import type { Proxy } from './proxy.ts';

/** Replies (RFC 1928, section 6) that speak of the way behind the proxy; some proxies know but the first. */
const unreachable: ReadonlySet<string> = new Set([
  'Failure',
  'NetworkUnreachable',
  'HostUnreachable',
  'ConnectionRefused',
  'TTLExpired',
]);

/** The library's errors have no codes: the name of a reply ends the sentence. */
function meaningOf({ message }: Error, proxy: Proxy, target: Target): LinkError {
  if (/authentication (failed|type)/i.test(message)) return authenticationRequired(proxy);
  const [, reply = ''] = /rejected connection - (\w+)$/.exec(message) ?? [];
  if (reply === 'NotAllowed') return denied(proxy, target, reply, false);
  if (unreachable.has(reply)) return hostUnreachable(proxy, target, reply);
  return /invalid|rejected/i.test(message) ? notAProxy(proxy) : closedEarly(proxy);
}

/**
 * Has the proxy at the other end of `socket` connect to `target`, whose name it resolves (RFC 1928; user
 * name and password by RFC 1929).
 */
export async function socks5Connect(
  socket: Socket,
  proxy: Proxy,
  target: Target,
  timeoutMs: number,
): Promise<void> {
  const { user, password } = (await proxy.credentials?.()) ?? {};
  // Commands that must start fast load this module too, and few of them use SOCKS.
  const { SocksClient } = await import('socks');
  if (socket.destroyed) throw closedEarly(proxy);
  try {
    await SocksClient.createConnection({
      command: 'connect',
      destination: target,
      existing_socket: socket,
      timeout: timeoutMs,
      proxy: {
        host: proxy.host,
        port: proxy.port,
        type: 5,
        ...(user === undefined ? {} : { userId: user }),
        ...(password === undefined ? {} : { password }),
      },
    });
  } catch (error) {
    // The library's error carries the password among its options: it goes no further.
    throw meaningOf(Error.isError(error) ? error : new Error('unknown'), proxy, target);
  }
}
