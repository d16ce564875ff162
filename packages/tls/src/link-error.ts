export type LinkErrorCode =
  | 'link.aborted'
  | 'link.bad_url'
  | 'link.body_too_large'
  | 'link.dns'
  | 'link.not_begun'
  | 'link.not_dialled'
  | 'link.plaintext'
  | 'link.protocol'
  | 'link.refused'
  | 'link.reset'
  | 'link.turned_away'
  | 'link.timeout'
  | 'proxy.auth_required'
  | 'proxy.bad_url'
  | 'proxy.denied'
  | 'proxy.dns'
  | 'proxy.expired'
  | 'proxy.handshake'
  | 'proxy.host_unreachable'
  | 'proxy.host_unresolved'
  | 'proxy.name_mismatch'
  | 'proxy.protocol'
  | 'proxy.refused'
  | 'proxy.reset'
  | 'proxy.timeout'
  | 'proxy.unknown_ca'
  | 'proxy.version'
  | 'proxy.wrong_usage'
  | 'tls.agent_certificate'
  | 'tls.certificate_unusable'
  | 'tls.chain_incomplete'
  | 'tls.expired'
  | 'tls.fingerprint_malformed'
  | 'tls.fingerprint_mismatch'
  | 'tls.handshake'
  | 'tls.name_mismatch'
  | 'tls.no_certificate'
  | 'tls.unknown_ca'
  | 'tls.version'
  | 'tls.wrong_usage';

/**
 * A request that got no reply. The message is one sentence: what is wrong and what to do. `retryable`
 * means that the fault may pass without anybody acting; it does not say that the peer never saw the request.
 */
export class LinkError extends Error {
  readonly code: LinkErrorCode;
  readonly retryable: boolean;

  constructor(code: LinkErrorCode, message: string, options: { retryable: boolean }) {
    super(message);
    this.name = 'LinkError';
    this.code = code;
    this.retryable = options.retryable;
  }
}
