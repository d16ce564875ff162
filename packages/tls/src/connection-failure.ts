import type { X509Certificate } from 'node:crypto';
import { LinkError, type LinkErrorCode } from './link-error.ts';
import { isValidAt, validityOf, writtenTime } from './validity.ts';

type Failure = {
  code: ConnectionFailureCode;
  retryable: boolean;
  /** Follows the peer's URL, without the stop at its end. */
  text: string;
};

/** What may be wrong with any connection, whoever the peer is. */
export type ConnectionFailureCode = Extract<
  LinkErrorCode,
  | `link.${'dns' | 'protocol' | 'refused' | 'reset' | 'timeout'}`
  | `tls.${'expired' | 'handshake' | 'name_mismatch' | 'unknown_ca' | 'version' | 'wrong_usage'}`
>;

const unreachable: Failure = {
  code: 'link.refused',
  retryable: true,
  text: 'cannot be reached; check the network and the firewall between the two hosts',
};
const unresolved: Failure = {
  code: 'link.dns',
  retryable: true,
  text: 'has a host name that does not resolve; check its spelling and the DNS server',
};
const reset: Failure = {
  code: 'link.reset',
  retryable: true,
  text: 'closed the connection before it replied; try again, and read its log if that goes on',
};
const outOfDate: Failure = {
  code: 'tls.expired',
  retryable: false,
  text: 'has a certificate that is not valid at this time',
};
const unknownCa: Failure = {
  code: 'tls.unknown_ca',
  retryable: false,
  text: 'has a certificate that no trusted CA issued; give this program the CA certificate or its fingerprint',
};
const wrongUsage: Failure = {
  code: 'tls.wrong_usage',
  retryable: false,
  text: 'has a certificate that is not for this use; have it issued with the extended key usage of its side',
};
const versionRefused: Failure = {
  code: 'tls.version',
  retryable: false,
  text: 'shares no TLS version with this program; compare the versions that the two allow, by default TLS 1.2 and 1.3',
};
const notTls: Failure = {
  code: 'tls.handshake',
  retryable: false,
  text: 'does not speak TLS; check that the port is the HTTPS one',
};

/** By the code that Node or OpenSSL gives an error. */
const failures: Readonly<Record<string, Failure>> = {
  ECONNREFUSED: {
    code: 'link.refused',
    retryable: true,
    text: 'refused the connection; check the address and that the server runs',
  },
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  EADDRNOTAVAIL: unreachable,
  ENOTFOUND: unresolved,
  EAI_AGAIN: unresolved,
  ETIMEDOUT: {
    code: 'link.timeout',
    retryable: true,
    text: 'did not accept a connection in time; check the address and the firewall between the two hosts',
  },
  ECONNRESET: reset,
  ECONNABORTED: reset,
  EPIPE: reset,
  ERR_TLS_CERT_ALTNAME_INVALID: {
    code: 'tls.name_mismatch',
    retryable: false,
    text: 'has a certificate for other names; use one of its subject alternative names, or add this one to them',
  },
  CERT_HAS_EXPIRED: outOfDate,
  CERT_NOT_YET_VALID: outOfDate,
  CERT_SIGNATURE_FAILURE: unknownCa,
  CERT_UNTRUSTED: unknownCa,
  ERROR_IN_CERT_NOT_AFTER_FIELD: outOfDate,
  ERROR_IN_CERT_NOT_BEFORE_FIELD: outOfDate,
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownCa,
  INVALID_CA: unknownCa,
  INVALID_PURPOSE: wrongUsage,
  SELF_SIGNED_CERT_IN_CHAIN: unknownCa,
  UNABLE_TO_GET_ISSUER_CERT: unknownCa,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownCa,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownCa,
  ERR_SSL_NO_PROTOCOLS_AVAILABLE: versionRefused,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: versionRefused,
  ERR_SSL_UNSUPPORTED_PROTOCOL: versionRefused,
  // OpenSSL's way of saying that the first bytes of the answer were no TLS record.
  ERR_SSL_PACKET_LENGTH_TOO_LONG: notTls,
  ERR_SSL_WRONG_VERSION_NUMBER: notTls,
};

function failureFor(systemCode: string): Failure {
  const known = failures[systemCode];
  if (known) return known;
  if (systemCode.startsWith('HPE_')) {
    return {
      code: 'link.protocol',
      retryable: false,
      text: `answered with something that is not HTTP (${systemCode}); check the address`,
    };
  }
  if (/^(ERR_SSL_|ERR_TLS_|EPROTO$)/.test(systemCode)) {
    return {
      code: 'tls.handshake',
      retryable: false,
      text: `could not agree on a TLS connection (${systemCode}); compare its TLS settings with this program's`,
    };
  }
  return { ...reset, text: `lost the connection (${systemCode}); try again` };
}

/**
 * A handshake that fails while a request waits to be written is reported as a failed write, EPROTO, with
 * OpenSSL's reason in the message only; elsewhere the same reason is the code.
 */
function systemCodeOf(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  const reason = /:SSL routines:[^:]*:([^:]+):/.exec(error.message)?.[1];
  return code === 'EPROTO' && reason
    ? `ERR_SSL_${reason.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')}`
    : code;
}

/**
 * What a person must hold against one another: no reply can tell the peer's time where the connection is refused.
 */
function datesIn(chain: readonly X509Certificate[]): string {
  const now = new Date();
  const bad = chain.find((certificate) => !isValidAt(certificate, now.getTime()));
  const clock = `this host’s clock says ${now.toISOString()}`;
  const dates = bad === undefined ? clock : `it is valid ${inWords(validityOf(bad))}, and ${clock}`;
  return `: ${dates}; set the clock if it is wrong, and renew the certificate if it is not`;
}

function inWords({ from, to }: { from: Date; to: Date }): string {
  return `from ${writtenTime(from)} to ${writtenTime(to)}`;
}

/** Says what an error from Node's network stack means, of a peer that presented `chain`. */
export function failureOf(error: Error, chain: readonly X509Certificate[]): Failure {
  const failure = failureFor(systemCodeOf(error));
  return failure.code === 'tls.expired'
    ? { ...failure, text: failure.text + datesIn(chain) }
    : failure;
}

/**
 * The failure of a link to `origin`, whose peer presented `chain`. The original error is not kept as the cause: those
 * of the HTTP parser carry the raw bytes that they tripped over.
 */
export function connectionFailure(
  error: Error,
  origin: string,
  chain: readonly X509Certificate[] = [],
): LinkError {
  // Of this program's own look at the certificate.
  if (error instanceof LinkError) return error;
  const { code, retryable, text } = failureOf(error, chain);
  return new LinkError(code, `${origin} ${text}.`, { retryable });
}
