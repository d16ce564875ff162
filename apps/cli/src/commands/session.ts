import {
  operatorName,
  printable,
  self,
  session,
  signInBody,
  type Principal,
} from '@sallyport/contract';
import { fetchPinnedCa } from '@sallyport/tls/pin';
import type { Command } from 'commander';
import { z } from 'zod';
import { ApiClient, route, type Peer } from '../api-client.ts';
import { ApiError, CliError } from '../cli-error.ts';
import { currentSession, openApi, wayOf, type Context } from '../context.ts';
import type { Way } from '../environment.ts';
import { fields } from '../output.ts';
import { promptHidden } from '../prompt.ts';
import { readCertificates, readPassword, withoutLineEnd } from '../read-input.ts';
import { rolesInWords } from '../roles.ts';
import type { SessionFile, StoredSession } from '../session-file.ts';
import { checked } from '../usage.ts';
import { askForCode } from './own-credentials.ts';

const apiKeyText = z.string().regex(/^sp_key_\w{1,240}$/, 'is not one: it begins with sp_key_');
const loginOptions = z.object({
  url: z.string().optional(),
  fingerprint: z.string().optional(),
  caFile: z.string().optional(),
  name: operatorName,
  passwordFile: z.string().optional(),
  codeFile: z.string().optional(),
  apiKeyFile: z.string().optional(),
});
type LoginOptions = z.infer<typeof loginOptions>;

/** `login`, `logout` and `whoami`. */
export function addSessionCommands(program: Command, context: Context): void {
  program
    .command('login')
    .description('Sign in; the session is kept for the commands that follow')
    .option(
      '--url <url>',
      'operator API, such as https://127.0.0.1:8443; of the session that is kept, with what it trusts, when not given',
    )
    .option(
      '--fingerprint <fingerprint>',
      'SHA256:… of its CA, as the control plane logs at its start',
    )
    .option('--ca-file <file>', 'PEM certificates to trust instead')
    .option('--name <name>', 'operator', 'owner')
    .option('--password-file <file>', 'read the password from a file, or from standard input (-)')
    .option(
      '--code-file <file>',
      'read the code of your authenticator app from a file, or input (-)',
    )
    .option('--api-key-file <file>', 'use an API key instead, from a file or standard input (-)')
    .addHelpText(
      'after',
      `
The password is asked for when a terminal is there, or comes from --password-file, SALLYPORT_PASSWORD or
SALLYPORT_PASSWORD_FILE; one line end after it is left out. It is never taken from the command line.
With --url, and without --fingerprint and --ca-file, the certificate must be one of a public CA.`,
    )
    .action((options: unknown) => login(context, checked(loginOptions, options)));

  program
    .command('logout')
    .description('Sign out, here and at the control plane')
    .action(() => logout(context));

  program
    .command('whoami')
    .description('Show who is signed in, and where')
    .action(() => whoami(context));
}

async function login(context: Context, options: LoginOptions): Promise<void> {
  const { passwordFile, codeFile, apiKeyFile } = options;
  if (apiKeyFile !== undefined && (passwordFile ?? codeFile) !== undefined)
    throw new CliError(
      'usage.invalid',
      'give --api-key-file, or --password-file and --code-file, not both',
    );
  const way = wayOf(context);
  const peer = await trustedPeer(context, options, way);
  // Before the password is asked for or sent: neither is of use at http://, or where no session can be kept.
  using api = new ApiClient({ ...peer, ...way });
  await context.sessions.prepare();
  const { token, expiresAt, caller } =
    apiKeyFile === undefined
      ? await signIn(context, api, options)
      : await useKey(context, { ...peer, ...way }, apiKeyFile);
  await context.sessions.write({ ...peer, token, expiresAt });
  const { name, roles } = caller;
  context.output.result(
    { url: peer.url, name, roles, expiresAt },
    printable(`Signed in to ${peer.url} as ${name} (${rolesInWords(roles)}) until ${expiresAt}.`),
  );
}

type SignedIn = { token: string; expiresAt: string; caller: Principal };

async function signIn(context: Context, api: ApiClient, options: LoginOptions): Promise<SignedIn> {
  const password = checked(
    signInBody.shape.password,
    await passwordFor(context, options),
    'the password',
  );
  const body = { name: options.name, password };
  const open = (more: { totp?: string }) =>
    api.post(route`/sessions`, { ...body, ...more }, session);
  const { token, expiresAt, operator } = await open({}).catch(async (error: unknown) => {
    if (!(error instanceof ApiError) || error.code !== 'totp.required') throw error;
    return open({ totp: await askForCode(context, options.codeFile) });
  });
  return { token, expiresAt, caller: operator };
}

/** An API key in the place of a session: it is asked for who it is, and until when. */
async function useKey({ terminal }: Context, peer: Peer & Way, file: string): Promise<SignedIn> {
  const token = await readPassword(terminal, { option: '--api-key-file', path: file });
  using api = new ApiClient(peer, checked(apiKeyText, token, 'the API key'));
  const { expiresAt, ...caller } = await api.get(route`/me`, self);
  return { token, expiresAt, caller };
}

async function trustedPeer(
  { terminal, sessions }: Context,
  options: LoginOptions,
  way: Way,
): Promise<Peer> {
  const { url, fingerprint, caFile } = options;
  if (fingerprint !== undefined && caFile !== undefined) {
    throw new CliError('usage.invalid', 'give --fingerprint or --ca-file, not both');
  }
  if (url === undefined) return knownPeer(sessions, fingerprint ?? caFile);
  if (fingerprint !== undefined)
    return { url, ca: await fetchPinnedCa(url, fingerprint, { timeoutMs: 10_000, ...way }) };
  return caFile === undefined ? { url } : { url, ca: await readCertificates(terminal, caFile) };
}

/** Where somebody signed in before, also where that session has ended. */
async function knownPeer(sessions: SessionFile, trusted: string | undefined): Promise<Peer> {
  const stored = trusted === undefined ? await sessions.read() : undefined;
  if (stored !== undefined) return { url: stored.url, ca: stored.ca };
  throw new CliError(
    'usage.invalid',
    'give --url https://… and --fingerprint SHA256:…, as the control plane printed them at its start',
  );
}

async function passwordFor(
  { terminal, environment }: Context,
  options: LoginOptions,
): Promise<string> {
  if (options.passwordFile !== undefined)
    return readPassword(terminal, { option: '--password-file', path: options.passwordFile });
  if (environment.password !== undefined && environment.passwordFile !== undefined) {
    throw new CliError(
      'usage.invalid',
      'set SALLYPORT_PASSWORD or SALLYPORT_PASSWORD_FILE, not both',
    );
  }
  if (environment.password !== undefined) return withoutLineEnd(environment.password);
  if (environment.passwordFile !== undefined)
    return readPassword(terminal, {
      option: 'SALLYPORT_PASSWORD_FILE',
      path: environment.passwordFile,
    });
  if (terminal.stdinIsTty) return promptHidden(terminal, `Password of ${options.name}: `);
  throw new CliError(
    'usage.invalid',
    'no password: give --password-file, or set SALLYPORT_PASSWORD or SALLYPORT_PASSWORD_FILE',
  );
}

async function logout(context: Context): Promise<void> {
  const { sessions, output } = context;
  // Before the session is forgotten, and could not be ended any more.
  const way = wayOf(context);
  const stored = await takeSession(sessions);
  if (stored === undefined) {
    output.result({ signedOut: false }, 'Nobody was signed in.');
    return;
  }
  using api = new ApiClient({ ...stored, ...way }, stored.token);
  // An API key is not ended by being forgotten here.
  if (!stored.token.startsWith('sp_key_'))
    await api.delete(route`/sessions/current`).catch((error: unknown) => {
      if (error instanceof ApiError && error.status === 401) return;
      output.progress(
        printable(`The session is gone from here; at ${stored.url} it may last until it expires.`),
      );
      throw error;
    });
  output.result({ signedOut: true }, `Signed out of ${stored.url}.`);
}

/** The session, which is gone from here whatever its file is like and whatever the network does. */
async function takeSession(sessions: SessionFile): Promise<StoredSession | undefined> {
  try {
    return await sessions.read();
  } catch (error) {
    throw error instanceof CliError ? removedUnread(error) : error;
  } finally {
    await sessions.remove();
  }
}

/** What was wrong with the file is no matter any more, but the session could not be ended. */
function removedUnread({ code }: CliError): CliError {
  return new CliError(
    code,
    'the session’s file was not fit to use and is removed; the session lasts at the control plane until it expires',
  );
}

async function whoami(context: Context): Promise<void> {
  const { url, expiresAt } = await currentSession(context);
  using api = await openApi(context);
  const { name, roles } = await api.get(route`/me`, self);
  const rows = [
    ['Name', name],
    ['Roles', rolesInWords(roles)],
    ['At', url],
    ['Until', expiresAt],
  ] as const;
  context.output.result({ url, name, roles, expiresAt }, fields(rows));
}
