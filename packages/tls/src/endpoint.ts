import { isIP } from 'node:net';
import { LinkError } from './link-error.ts';

/** Where a link goes. */
export type Endpoint = {
  /** `https://host:port`, for messages. */
  origin: string;
  host: string;
  port: number;
  /** For SNI; empty when the host is an address (RFC 6066, section 3). */
  servername: string;
  /** Path prefix without a trailing slash. */
  prefix: string;
};

/** Throws `LinkError`: `link.plaintext` for anything but `https://`, `link.bad_url` for what is no URL. */
export function parseEndpoint(baseUrl: string): Endpoint {
  if (!URL.canParse(baseUrl)) {
    throw new LinkError('link.bad_url', 'The URL is malformed; write it as https://host:port.', {
      retryable: false,
    });
  }
  const url = new URL(baseUrl);
  if (url.protocol !== 'https:') {
    throw new LinkError(
      'link.plaintext',
      `${url.protocol}// is refused because it is not encrypted; write the URL as https://host:port.`,
      { retryable: false },
    );
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new LinkError(
      'link.bad_url',
      'The URL may not hold a user name, a password, a query or a fragment; write it as https://host:port.',
      { retryable: false },
    );
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    origin: url.origin,
    host,
    port: url.port === '' ? 443 : Number(url.port),
    servername: isIP(host) === 0 ? host : '',
    prefix: url.pathname.replace(/\/$/, ''),
  };
}
