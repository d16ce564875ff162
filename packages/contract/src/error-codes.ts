/** What kind of failure a code is; the HTTP status follows from it in one place of the control plane. */
export type ErrorKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'notFound'
  | 'methodNotAllowed'
  | 'timedOut'
  | 'conflict'
  | 'tooLarge'
  | 'headersTooLarge'
  | 'unsupportedMediaType'
  | 'limited'
  | 'internal'
  | 'unavailable';

/** Every error code that either API can answer, with its kind. A code is for ever. */
export const errorCodes = {
  'request.invalid': 'invalid',
  'request.malformed_json': 'invalid',
  'request.too_large': 'tooLarge',
  'request.headers_too_large': 'headersTooLarge',
  'request.timed_out': 'timedOut',
  'request.unsupported_media_type': 'unsupportedMediaType',
  'request.not_found': 'notFound',
  'session.required': 'unauthenticated',
  'session.invalid': 'unauthenticated',
  'credentials.wrong': 'unauthenticated',
  'operator.locked': 'limited',
  'operator.not_found': 'notFound',
  'operator.exists': 'conflict',
  'operator.last_owner': 'conflict',
  'role_binding.not_found': 'notFound',
  'role_binding.exists': 'conflict',
  'api_key.invalid': 'unauthenticated',
  'api_key.expired': 'unauthenticated',
  'api_key.revoked': 'unauthenticated',
  'api_key.not_found': 'notFound',
  'permission.denied': 'forbidden',
  'group.not_found': 'notFound',
  'group.exists': 'conflict',
  'group.busy': 'unavailable',
  'group.too_large': 'tooLarge',
  'token.not_found': 'notFound',
  'token.malformed': 'unauthenticated',
  'token.unknown': 'unauthenticated',
  'token.expired': 'unauthenticated',
  'token.revoked': 'unauthenticated',
  'token.used_up': 'unauthenticated',
  'token.address_refused': 'unauthenticated',
  'proof.invalid': 'unauthenticated',
  'agent.not_found': 'notFound',
  'agent.unknown': 'unauthenticated',
  'agent.revoked': 'unauthenticated',
  'agent.name_taken': 'conflict',
  'agent.keys_taken': 'conflict',
  'assertion.invalid': 'unauthenticated',
  'assertion.replayed': 'unauthenticated',
  'clock.skewed': 'unauthenticated',
  'access_token.required': 'unauthenticated',
  'access_token.invalid': 'unauthenticated',
  'access_token.expired': 'unauthenticated',
  'dpop.invalid': 'unauthenticated',
  'dpop.replayed': 'unauthenticated',
  'protocol.unsupported': 'invalid',
  'revision.ahead': 'conflict',
  'pull.superseded': 'conflict',
  'bundle.not_found': 'notFound',
  'secret.not_found': 'notFound',
  'secret.version_not_found': 'notFound',
  'plugin.not_found': 'notFound',
  'task.not_found': 'notFound',
  'task.lock_lost': 'conflict',
  'envelope.unreadable': 'internal',
  'keyring.exhausted': 'unavailable',
  'hashing.busy': 'limited',
  'server.internal': 'internal',
  'server.unavailable': 'unavailable',
  'server.stopping': 'unavailable',
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorCodes;
