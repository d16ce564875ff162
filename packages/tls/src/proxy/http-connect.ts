import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { LinkError } from '../link-error.ts';
import {
  authenticationRequired,
  closedEarly,
  denied,
  hostUnreachable,
  hostUnresolved,
  nameOf,
  notAProxy,
  type Target,
} from './failure.ts';
import type { Proxy } from './proxy.ts';

/** Of the proxy's whole reply; there is nothing in it that this program needs. */
const MAX_HEADER_BYTES = 8 * 1024;

/** Where proxies say that the name did not resolve: RFC 9209, section 2.3.2, and Squid's own header. */
function isUnresolved({ headers }: IncomingMessage): boolean {
  const said = `${String(headers['proxy-status'])} ${String(headers['x-squid-error'])}`;
  return /\berror=dns_(error|timeout)\b|\bERR_DNS_FAIL\b/.test(said);
}

/** 500 is what Tinyproxy and Squid 5 say of a name that does not resolve, and Tinyproxy of a refused connection. */
const unreachable: ReadonlySet<number> = new Set([500, 502, 503, 504]);

function refusal(reply: IncomingMessage, proxy: Proxy, target: Target): LinkError {
  const { statusCode: status = 0, headers } = reply;
  // Nobody but the proxy has been spoken to: 401 is Tinyproxy's answer to a wrong password.
  if (status === 407 || status === 401) {
    const offered = headers['proxy-authenticate'] ?? headers['www-authenticate'] ?? 'basic';
    return authenticationRequired(proxy, String(offered));
  }
  if (isUnresolved(reply)) return hostUnresolved(proxy, target);
  if (unreachable.has(status)) return hostUnreachable(proxy, target, String(status));
  return denied(proxy, target, String(status), status >= 500 || status === 408 || status === 429);
}

/**
 * Has the proxy at the other end of `socket` connect to `target` (RFC 9110, section 9.3.6). After that the
 * socket carries the tunnel's bytes and nothing else.
 */
export async function httpConnect(socket: Socket, proxy: Proxy, target: Target): Promise<void> {
  const host = nameOf(target);
  const { user, password } = (await proxy.credentials?.()) ?? { user: '', password: '' };
  if (socket.destroyed) throw closedEarly(proxy);
  const basic = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      method: 'CONNECT',
      path: host,
      headers: { host, ...(proxy.credentials ? { 'proxy-authorization': basic } : {}) },
      createConnection: () => socket,
      maxHeaderSize: MAX_HEADER_BYTES,
    });
    request.once('connect', (reply, _socket, head) => {
      const { statusCode = 0 } = reply;
      if (statusCode < 200 || statusCode > 299) reject(refusal(reply, proxy, target));
      // Nobody has spoken to the target yet, so whatever follows the reply is not from it.
      else if (head.length > 0) reject(notAProxy(proxy));
      else resolve();
    });
    request.on('error', reject);
    request.end();
  });
}
