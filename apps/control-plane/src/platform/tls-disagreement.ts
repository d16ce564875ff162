import { failureOf } from '@sallyport/tls/connection-failure';

/** In OpenSSL's words: no suite, no group and no signature algorithm that both sides take. */
const NOTHING_IN_COMMON =
  /HANDSHAKE_FAILURE|NO_SHARED|NO_SUITABLE|NO_CIPHERS|UNSUPPORTED_SIGNATURE|INSUFFICIENT_SECURITY/;

/** Whether a connection failed for what its two sides let be negotiated, as opposed to whom they trust. */
export function isTlsDisagreement(error: unknown): boolean {
  if (!Error.isError(error)) return false;
  const { code, text } = failureOf(error, []);
  return code === 'tls.version' || (code === 'tls.handshake' && NOTHING_IN_COMMON.test(text));
}
