import type { ErrorCode } from '@sallyport/contract';
import type { CryptoErrorCode } from '@sallyport/crypto/crypto-error';
import type { LinkErrorCode } from '@sallyport/tls/https-link';

/** The codes of errors that are born on the agent itself. */
export type OwnErrorCode =
  | 'usage.invalid'
  | 'output.lost'
  | 'process.exposed'
  | 'prompt.interrupted'
  | 'state.in_use'
  | 'state.unsafe'
  | 'state.unusable'
  | 'identity.missing'
  | 'identity.exists'
  | 'identity.unreadable'
  | 'enroll.reply_lost'
  | 'enroll.not_dialled'
  | 'link.files_refused'
  | 'listen.unusable'
  | 'token_file.unsafe'
  | 'token_file.unusable'
  | 'socket.in_use'
  | 'socket.unusable'
  | 'socket.path_too_long'
  | 'agent.unreachable'
  | 'agent.unrecognised'
  | 'agent.not_ready'
  | 'agent.busy'
  | 'agent.internal'
  | 'high_water.unreadable'
  | 'bundle.older'
  | 'bundle.incomplete'
  | 'bundle.no_delivery_key'
  | 'bundle.wrong_agent'
  | 'bundle.expired'
  | 'bundle.too_large'
  | 'certificate.unreadable'
  | 'file.unusable'
  | 'values.too_old'
  | 'reply.unexpected'
  | 'local_api.unusable'
  | 'secret.expired'
  | 'secret.version_not_found'
  | 'secret.field_not_found'
  | 'secret.not_json'
  | 'lease.unavailable'
  | 'lease.used_up'
  | 'lease.expired'
  | 'reference.invalid'
  | 'reference.not_configured'
  | 'reference.not_found'
  | 'reference.denied'
  | 'reference.failed'
  | 'reference.unreachable'
  | 'reference.rate_limited'
  | 'request.method_not_allowed'
  | 'request.not_allowed'
  | 'request.unauthenticated'
  | 'request.client_refused'
  | 'request.user_refused'
  | 'request.forwarded'
  | 'request.foreign_host'
  | 'command.not_found'
  | 'command.not_executable'
  | 'command.failed'
  | 'template.unusable'
  | 'template.invalid'
  | 'template.value_missing'
  | 'template.failed';

/** Any code this version knows; a newer control plane may answer others. */
export type KnownErrorCode = OwnErrorCode | ErrorCode | LinkErrorCode | CryptoErrorCode;
export type AgentErrorCode = KnownErrorCode | (string & {});

type Details = {
  /** What to do about it; absent where the message says it. */
  advice?: string | undefined;
  /** The fault may pass by itself within seconds. Default false. */
  retryable?: boolean;
  /** What the control plane asked to wait, in milliseconds. */
  retryAfterMs?: number | undefined;
  /** The HTTP status, when a reply brought the error. */
  status?: number;
  cause?: unknown;
};

/** The agent's one error: what is wrong, what to do, and whether trying again may help. Never a value. */
export class AgentError extends Error {
  readonly code: AgentErrorCode;
  readonly advice: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly status: number | undefined;

  constructor(code: AgentErrorCode, message: string, details: Details = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'AgentError';
    this.code = code;
    this.advice = details.advice;
    this.retryable = details.retryable ?? false;
    this.retryAfterMs = details.retryAfterMs;
    this.status = details.status;
  }
}

/** The whole of an error in one line: `<what> — <what to do>`. */
export function sentenceOf({ message, advice }: Pick<AgentError, 'message' | 'advice'>): string {
  return advice === undefined ? message : `${message.replace(/\.$/, '')} — ${advice}`;
}

/** The error for a defect of the agent itself: anything thrown that is not one of its own errors. */
export function internalError(cause: unknown): AgentError {
  return new AgentError('agent.internal', 'the agent met a defect of its own', {
    advice: 'report it with the log',
    retryable: true,
    cause,
  });
}

/** What was caught, as an error of the agent's own: anything else is a defect of it. */
export function faultOf(error: unknown): AgentError {
  return error instanceof AgentError ? error : internalError(error);
}

/** Where a defect was met: the frames of its stack, without the message, which could quote a value. */
export function framesOf(error: AgentError): string | undefined {
  if (error.code !== 'agent.internal' || !(error.cause instanceof Error)) return undefined;
  return error.cause.stack?.match(/^ {4}at .*$/gm)?.join('\n');
}
