import { tlsWarnings } from '@sallyport/tls/settings';
import { ApiClient } from './api-client.ts';
import { CliError } from './cli-error.ts';
import type { Environment, Way } from './environment.ts';
import type { Output } from './output.ts';
import type { SessionFile, StoredSession } from './session-file.ts';
import type { Terminal } from './terminal.ts';

type Clock = {
  /** Milliseconds since the epoch. */
  now(): number;
  sleep(ms: number): Promise<void>;
};

/** What every command works with. */
export type Context = {
  terminal: Terminal;
  environment: Environment;
  output: Output;
  sessions: SessionFile;
  clock: Clock;
};

/** The session that the last sign-in left. @throws CliError `session.required` or `session.expired` */
export async function currentSession({ sessions, clock }: Context): Promise<StoredSession> {
  const session = await sessions.read();
  if (session === undefined) {
    throw new CliError(
      'session.required',
      'sign in first: sallyport login --url https://… --fingerprint SHA256:…, as the server printed them',
    );
  }
  if (Date.parse(session.expiresAt) <= clock.now()) {
    throw new CliError(
      'session.expired',
      `the session at ${session.url} has ended; sign in again: sallyport login`,
    );
  }
  return session;
}

/** The API as the signed-in operator. */
export async function openApi(context: Context): Promise<ApiClient> {
  const session = await currentSession(context);
  return new ApiClient({ ...session, ...wayOf(context) }, session.token);
}

/** As `Environment` has it; what is weak of what the link may negotiate is told. */
export function wayOf({ environment, output }: Context): Way {
  const way = environment.way();
  for (const warning of tlsWarnings('tls', way.tls)) output.progress(`Warning: ${warning}`);
  return way;
}
