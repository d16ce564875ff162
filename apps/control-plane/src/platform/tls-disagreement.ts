import { failureOf } from '@sallyport/tls/connection-failure';

/** Whether a connection failed for what its two sides let be negotiated, as opposed to whom they trust. */
export function isTlsDisagreement(error: unknown): boolean {
  if (!Error.isError(error)) return false;
  const { code } = failureOf(error, []);
  return code === 'tls.version' || code === 'tls.handshake';
}
