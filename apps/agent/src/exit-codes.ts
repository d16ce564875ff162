import { ConfigError } from '@sallyport/config/load';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { LinkError } from '@sallyport/tls/https-link';
import { CommanderError } from 'commander';
import { AgentError, type AgentErrorCode } from './agent-error.ts';

/**
 * What `sallyport-agent` exits with. `exec` exits as its child does: the child's own code, 128 + n when
 * signal n ended it, 126 when it cannot be run and 127 when it is not found.
 */
export const exitCodes = {
  ok: 0,
  error: 1,
  usage: 2,
  notFound: 3,
  notReady: 4,
  revoked: 5,
  stateUnsafe: 6,
  notEnrolled: 7,
  socketUnusable: 8,
  stateInUse: 9,
  /** `link verify`: the control plane is not reached, or not trusted, or there is another server. */
  linkBad: 10,
  /** `doctor`: at least one check failed; `scan`: something looks like a secret. */
  checksFailed: 11,
  /** `run`: out of reach of the control plane for longer than maxStaleSeconds. */
  tooStale: 12,
  /** What is asked for may not be read at this socket, or is not lent out at this hour. */
  notAllowed: 13,
  cannotExecute: 126,
  commandNotFound: 127,
  signalBase: 128,
  /** Ctrl-C at a prompt, as a shell tells it. */
  interrupted: 130,
} as const;

const byCode: Partial<Record<AgentErrorCode, number>> = {
  'usage.invalid': exitCodes.usage,
  'process.exposed': exitCodes.usage,
  'prompt.interrupted': exitCodes.interrupted,
  'token.malformed': exitCodes.usage,
  'link.plaintext': exitCodes.usage,
  'link.bad_url': exitCodes.usage,
  'proxy.bad_url': exitCodes.usage,
  'tls.fingerprint_malformed': exitCodes.usage,
  'template.unusable': exitCodes.usage,
  'template.invalid': exitCodes.usage,
  'template.failed': exitCodes.usage,
  'template.value_missing': exitCodes.notFound,
  'secret.not_found': exitCodes.notFound,
  'secret.version_not_found': exitCodes.notFound,
  'secret.field_not_found': exitCodes.notFound,
  'secret.not_json': exitCodes.notFound,
  'secret.not_lent': exitCodes.notFound,
  'secret.expired': exitCodes.notReady,
  'lease.not_found': exitCodes.notFound,
  'lease.used_up': exitCodes.notFound,
  'lease.expired': exitCodes.notFound,
  'lease.ended': exitCodes.notFound,
  'lease.unavailable': exitCodes.notReady,
  'lease.outside_window': exitCodes.notAllowed,
  'reference.not_found': exitCodes.notFound,
  'reference.unreachable': exitCodes.notReady,
  'reference.rate_limited': exitCodes.notReady,
  'plugin.not_found': exitCodes.notFound,
  'certificate.not_found': exitCodes.notFound,
  'request.not_allowed': exitCodes.notAllowed,
  'request.user_refused': exitCodes.notAllowed,
  'agent.not_ready': exitCodes.notReady,
  'agent.unreachable': exitCodes.notReady,
  'agent.unrecognised': exitCodes.socketUnusable,
  'agent.busy': exitCodes.notReady,
  'agent.revoked': exitCodes.revoked,
  'state.unsafe': exitCodes.stateUnsafe,
  'state.in_use': exitCodes.stateInUse,
  'identity.missing': exitCodes.notEnrolled,
  'values.too_old': exitCodes.tooStale,
  'command.not_executable': exitCodes.cannotExecute,
  'command.not_found': exitCodes.commandNotFound,
  'socket.in_use': exitCodes.socketUnusable,
  'socket.unusable': exitCodes.socketUnusable,
  'socket.path_too_long': exitCodes.socketUnusable,
  'local_api.unusable': exitCodes.socketUnusable,
};

/** The exit code for whatever a command threw. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ConfigError) return exitCodes.usage;
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof AgentError || error instanceof LinkError || error instanceof CryptoError) {
    return byCode[error.code] ?? exitCodes.error;
  }
  return exitCodes.error;
}
