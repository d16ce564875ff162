import type { X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { AgentError } from '../agent-error.ts';
import { isLoopback } from './loopback.ts';

/** What proxies add (RFC 7239; RFC 9110, section 7.6.3; and by custom), and what browsers do (Fetch, section 3.2). */
const PASSED_ON = /^(?:x-forwarded-.*|forwarded|via|x-real-ip|x-client-ip|origin|sec-fetch-.*)$/;
/** A name does not begin with a point: OpenSSL would take that for everything that ends in it. */
const HOST = /^(?:\[([\da-f:.]+)\]|([^.:[\]][^:[\]]*))(?::(\d+))?$/i;

/**
 * Refuses what says that somebody passed it on, a proxy or a page in a browser: it comes from another place than the
 * address says.
 *
 * @throws AgentError `request.forwarded`
 */
export function assertDirect(headers: IncomingHttpHeaders): void {
  const header = Object.keys(headers).find((name) => PASSED_ON.test(name));
  if (header === undefined) return;
  throw new AgentError(
    'request.forwarded',
    `the request came through a proxy or a browser (${header.slice(0, 32)})`,
    {
      advice:
        'ask the agent from the program itself, and set no proxy for this host’s own addresses',
    },
  );
}

/**
 * Refuses a page that calls this host by a name of its own (DNS rebinding): the host has to be this host's own
 * address, localhost, or a name in the certificate that was shown, and the port this one.
 *
 * @throws AgentError `request.foreign_host`
 */
export function assertOwnHost(
  { host }: IncomingHttpHeaders,
  port: number,
  certificate: X509Certificate | undefined,
): void {
  const [, ipv6, name, asked] = HOST.exec(host ?? '') ?? [];
  const called = (ipv6 ?? name ?? '').toLowerCase();
  const isOwn =
    called === 'localhost' ||
    isLoopback(called) ||
    (called !== '' && certificate?.checkHost(called, { subject: 'never' }) !== undefined);
  if (isOwn && (asked === undefined || Number(asked) === port)) return;
  throw new AgentError('request.foreign_host', 'the request is for another host than this one', {
    advice: 'call the agent by the address in localApi.tcp.address, or by localhost',
  });
}
