import { LinkError, type LinkErrorCode } from '@sallyport/tls/https-link';
import { CommanderError } from 'commander';
import { ApiError, CliError, type OwnErrorCode } from './cli-error.ts';

/**
 * What `sallyport` exits with.
 *
 * - 0: done
 * - 1: refused by the control plane, or failed in a way that is none of the others
 * - 2: the command line, an input file or a URL is wrong; nothing was sent
 * - 3: what was named does not exist, or may not be seen
 * - 4: not signed in: no session, an ended one, or a wrong name or password
 * - 5: the control plane cannot be reached, or is not the one that was trusted
 * - 6: an audit is not what was recorded
 * - 7: `plugin-type check`: plugins would not fit
 * - 130: ended by Ctrl-C at a prompt, as SIGINT ends a command anywhere else
 */
export const exitCodes = {
  ok: 0,
  error: 1,
  usage: 2,
  notFound: 3,
  notSignedIn: 4,
  unreachable: 5,
  broken: 6,
  wouldBreak: 7,
  interrupted: 130,
} as const;

const ofOwnCode: Partial<Record<OwnErrorCode, number>> = {
  'usage.invalid': exitCodes.usage,
  'input.unusable': exitCodes.usage,
  'session.required': exitCodes.notSignedIn,
  'session.expired': exitCodes.notSignedIn,
  'role_binding.not_found': exitCodes.notFound,
  'audit.broken': exitCodes.broken,
  'plugin_type.breaks_plugins': exitCodes.wouldBreak,
  'prompt.interrupted': exitCodes.interrupted,
};

/** Faults of what was typed rather than of the network. */
const ofTypedLink: ReadonlySet<LinkErrorCode> = new Set([
  'link.plaintext',
  'link.bad_url',
  'proxy.bad_url',
  'tls.fingerprint_malformed',
]);

/** The exit code for whatever a command threw. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return ofOwnCode[error.code] ?? exitCodes.error;
  if (error instanceof LinkError)
    return ofTypedLink.has(error.code) ? exitCodes.usage : exitCodes.unreachable;
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof ApiError && error.status === 404) return exitCodes.notFound;
  if (error instanceof ApiError && error.status === 401) return exitCodes.notSignedIn;
  return exitCodes.error;
}
