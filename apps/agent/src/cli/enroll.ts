import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { valueOf } from '@sallyport/config/expand';
import { agentName, jsonText } from '@sallyport/contract';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { parseToken } from '@sallyport/crypto/token';
import { holdsCertificates } from '@sallyport/tls/certificates-in-pem';
import { HttpsLink } from '@sallyport/tls/https-link';
import { fetchPinnedCa } from '@sallyport/tls/pin';
import type { TlsPolicy } from '@sallyport/tls/policy';
import type { Route } from '@sallyport/tls/route';
import { AgentError } from '../agent-error.ts';
import { systemClock } from '../clock.ts';
import {
  readAgentConfig,
  TOKEN_FILE_VARIABLE,
  TOKEN_VARIABLE,
  type ConfigFlags,
} from '../config.ts';
import { isReadByEveryone } from '../files/token-file.ts';
import { call } from '../link/call.ts';
import { enroll } from '../link/enroll.ts';
import { openOwnStores } from '../link/own-stores.ts';
import { routeToControlPlane } from '../link/route.ts';
import { ServerClock } from '../link/server-clock.ts';
import { assertPathFits } from '../local-api/claim-socket.ts';
import { StateDirectory } from '../state/state-directory.ts';
import { codeOf } from '../state/system-error.ts';
import type { CliContext } from './context.ts';
import { promptHidden } from './hidden-prompt.ts';
import { reportNotice } from './report-failure.ts';
import { startCommand } from './start-command.ts';
import { waitingFor } from './waiting-for.ts';

export type EnrollFlags = ConfigFlags & {
  url?: string;
  listen?: boolean;
  wait?: string;
  tokenFile?: string;
  fingerprint?: string;
  caFile?: string;
  name?: string;
  force?: boolean;
  json?: boolean;
};

const PIN_TIMEOUT_MS = 10_000;
const TOKEN_ADVICE = `give --token-file with a path, or - for standard input, or set ${TOKEN_VARIABLE}`;

/** `enroll`: joins a group with an enrollment token, which never is an argument. */
export async function enrollAgent(flags: EnrollFlags, context: CliContext): Promise<void> {
  const { config } = readAgentConfig(flags, context.env);
  if (flags.url === undefined)
    throw new AgentError('usage.invalid', 'it must be said where the control plane is', {
      advice: 'give --url, or --listen to wait for it to connect',
    });
  // Before the token is spent: the agent could not be started.
  assertPathFits(resolve(config.socket));
  const controlPlane = flags.url.replace(/\/+$/, '');
  const name = chooseName(flags.name, context.hostname);
  const token = await readToken(flags, context);
  using state = await StateDirectory.open(config.stateDir);
  const { tls, name: peerName } = config.controlPlane;
  const route = await routeToControlPlane(config);
  const stores = await openOwnStores(config);
  const ca = stores?.truststore?.join('');
  const trustAnchor = await waitingFor(
    'asking the control plane which CA it has',
    context,
    readTrustAnchor(flags, controlPlane, { tls, route, peerName, ca }),
  );
  const own = stores?.keystore;
  const identity = own && { cert: own.chain, key: own.key };
  const way = { baseUrl: controlPlane, identity, tls, route, peerName };
  // The agent goes by its truststore alone. The token goes only to whom the flags name, too.
  const isByFile = ca !== undefined && ca === trustAnchor;
  if (ca !== undefined && !isByFile) await proveTrusted(new HttpsLink({ ...way, ca }));
  const link = new HttpsLink({ ...way, ca: trustAnchor });
  try {
    const force = flags.force === true;
    const enrolling = enroll({
      state,
      link,
      controlPlane,
      trustAnchor,
      certified: config.authentication === 'certificate' && own === undefined,
      token,
      name,
      force,
      clock: systemClock,
    });
    const asking = 'asking the control plane, which checks the token';
    const { agentId, group } = await waitingFor(asking, context, enrolling).catch(
      (error: unknown) => untrusted(error, isByFile ? BY_FILE : BY_FLAGS),
    );
    tellEnrolled(
      { agentId, name, group: group.name, controlPlane, stateDir: state.path },
      flags,
      context,
    );
  } finally {
    link.close();
  }
}

const BY_FLAGS =
  'give --fingerprint, as the control plane prints it at its start, or --ca-file with its CA’s certificate';
const BY_FILE =
  'put the certificate of its CA into controlPlane.truststore.file, which counts whatever else is given';

/** Whatever it answers. @throws AgentError where the control plane is not reached, or is not trusted */
async function proveTrusted(link: HttpsLink): Promise<void> {
  const asked = { method: 'GET', path: '/agent/v1/cacerts' } as const;
  try {
    await call(link, new ServerClock(systemClock), asked);
  } catch (error) {
    if (!(error instanceof AgentError) || error.status === undefined) untrusted(error, BY_FILE);
  } finally {
    link.close();
  }
}

/** Before there is an agent, another advice than one that has lost its trust is given. */
function untrusted(error: unknown, advice: string): never {
  if (!(error instanceof AgentError) || error.code !== 'tls.unknown_ca') throw error;
  throw new AgentError(
    error.code,
    'the control plane has a certificate that no trusted CA issued',
    { advice, cause: error },
  );
}

type Enrolled = {
  agentId: string;
  name: string;
  group: string;
  controlPlane: string;
  stateDir: string;
};

export function tellEnrolled(
  report: Enrolled,
  { json, ...flags }: EnrollFlags,
  { stdout }: Pick<CliContext, 'stdout'>,
): void {
  const { name, agentId, group } = report;
  stdout.write(
    json === true
      ? `${jsonText(report)}\n`
      : `Enrolled as ${name} (${agentId}) in group ${group}. Start it with: ${startCommand(flags)}\n`,
  );
}

/** @throws AgentError `usage.invalid` when there is none, or two; `token.malformed` for a mistyped one */
export async function readToken({ tokenFile }: EnrollFlags, context: CliContext): Promise<string> {
  const given =
    tokenFile === undefined
      ? await tokenFromEnvironment(context)
      : await tokenFromFile(tokenFile, '--token-file', context);
  const token = given.trim();
  if (token === '')
    throw new AgentError('usage.invalid', 'no enrollment token was given: what was read is empty', {
      advice: TOKEN_ADVICE,
    });
  assertWellFormed(token);
  return token;
}

function assertWellFormed(token: string): void {
  try {
    parseToken(token, 'enroll');
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    throw new AgentError('token.malformed', error.message, {
      advice: 'copy it again, or make another with: sallyport token create',
      cause: error,
    });
  }
}

async function tokenFromEnvironment(context: CliContext): Promise<string> {
  const token = valueOf(context.env, TOKEN_VARIABLE);
  const file = valueOf(context.env, TOKEN_FILE_VARIABLE);
  if (token !== undefined && file !== undefined)
    throw new AgentError(
      'usage.invalid',
      `${TOKEN_VARIABLE} and ${TOKEN_FILE_VARIABLE} are both set`,
      { advice: 'keep one' },
    );
  if (token !== undefined) return token;
  if (file !== undefined) return tokenFromFile(file, TOKEN_FILE_VARIABLE, context);
  throw new AgentError('usage.invalid', 'there is no enrollment token', {
    advice: TOKEN_ADVICE,
  });
}

async function tokenFromFile(file: string, option: string, context: CliContext): Promise<string> {
  if (file === '-') return readInput(context);
  const token = await readOwnFile(file, option);
  if (await isReadByEveryone(file))
    reportNotice(
      `the file of ${option} can be read by every user of this host: take that from them (chmod o-rwx), or remove it now`,
      context,
    );
  return token;
}

/** A person is asked for a line; from a pipe or a file everything is taken. */
async function readInput(context: CliContext): Promise<string> {
  if (context.stdin.isTTY !== true) return text(context.stdin);
  return promptHidden('Enrollment token (not shown): ', context);
}

/** Undefined: the control plane’s certificate is from a CA that the host trusts, as any public one is. */
async function readTrustAnchor(
  { fingerprint, caFile }: EnrollFlags,
  controlPlane: string,
  {
    ca,
    ...way
  }: { tls: TlsPolicy; route: Route; peerName: string | undefined; ca: string | undefined },
): Promise<string | undefined> {
  if (fingerprint !== undefined && caFile !== undefined)
    throw new AgentError('usage.invalid', 'the control plane is to be known in two ways', {
      advice: 'give either --fingerprint, as the control plane prints it, or --ca-file',
    });
  if (fingerprint !== undefined)
    return fetchPinnedCa(controlPlane, fingerprint, { timeoutMs: PIN_TIMEOUT_MS, ...way });
  if (caFile !== undefined) return readCaFile(caFile);
  return ca;
}

export function unknownTrust(): AgentError {
  return new AgentError('usage.invalid', 'it must be said how to know the control plane', {
    advice: 'give either --fingerprint, as the control plane prints it, or --ca-file',
  });
}

/** Refuses what would be found to be no certificate only once the token is spent. */
export async function readCaFile(path: string): Promise<string> {
  const file = await readOwnFile(path, '--ca-file');
  if (holdsCertificates(file)) return file;
  throw new AgentError(
    'usage.invalid',
    'the file of --ca-file holds no certificate, or one that is damaged',
    { advice: 'export the CA’s certificate again, in PEM; the token was not used' },
  );
}

/** Names the option and never the path: somebody may have put the token itself there. */
async function readOwnFile(path: string, option: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new AgentError(
      'usage.invalid',
      `the file of ${option} cannot be read (${codeOf(cause) ?? 'unknown reason'})`,
      {
        advice: 'check its path and permissions',
        cause,
      },
    );
  }
}

export function chooseName(given: string | undefined, host: string): string {
  const name = agentName.safeParse(given ?? host.slice(0, 64));
  if (name.success) return name.data;
  throw new AgentError(
    'usage.invalid',
    given === undefined
      ? 'this host’s name cannot be an agent’s name'
      : 'the name cannot be an agent’s name',
    {
      advice: 'give --name with 1 to 64 letters, digits, dots, hyphens or underscores',
    },
  );
}
