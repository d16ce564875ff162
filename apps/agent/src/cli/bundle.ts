import { open, rm, type FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { jsonText } from '@sallyport/contract';
import { AgentError } from '../agent-error.ts';
import { systemClock } from '../clock.ts';
import { readAgentConfig, type ConfigFlags } from '../config.ts';
import { health, type Health } from '../local-api/health.ts';
import { makeRequest } from '../offline/admission-request.ts';
import { readBundleFile, readIncoming } from '../offline/bundle-file.ts';
import { importBundle, type Imported } from '../offline/import-bundle.ts';
import { StateDirectory } from '../state/state-directory.ts';
import { codeOf } from '../state/system-error.ts';
import type { CliContext } from './context.ts';
import { chooseName } from './enroll.ts';
import { LocalClient } from './local-client.ts';
import { startCommand } from './start-command.ts';
import { waitingFor } from './waiting-for.ts';

export type RequestFlags = ConfigFlags & {
  name?: string;
  output?: string;
  force?: boolean;
  json?: boolean;
};
export type ImportFlags = ConfigFlags & { signer?: string; json?: boolean };

const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/;
/** The daemon looks every 5 s, and verifies a large bundle within seconds. */
const PATIENCE_MS = 30_000;
const ASK_EVERY_MS = 200;

/** `bundle request`: the file goes to the operator, the thumbprint by another way. */
export async function requestAdmission(
  { name: given, output, force, json, ...flags }: RequestFlags,
  { env, hostname, stdout, stderr }: CliContext,
): Promise<void> {
  const { config } = readAgentConfig(flags, env);
  const name = chooseName(given, hostname);
  using state = await StateDirectory.open(config.stateDir);
  const { request, thumbprint } = await makeRequest(state, { name, force: force === true });
  const text = `${JSON.stringify(request)}\n`;
  if (output === undefined) stdout.write(text);
  else await writeNewFile(output, text);
  const where = output === undefined ? stderr : stdout;
  where.write(
    json === true
      ? `${jsonText({ name, thumbprint, output: output ?? null })}\n`
      : `Thumbprint of ${name}’s key: ${thumbprint}\nHave the request admitted with: sallyport agent admit --group GROUP --request FILE\n`,
  );
}

async function writeNewFile(path: string, text: string): Promise<void> {
  try {
    await fill(await open(path, 'wx', 0o644), text).catch(async (error: unknown) => {
      // A part of it, as on a full disk, would be taken for the request.
      await rm(path, { force: true });
      throw error;
    });
  } catch (cause) {
    throw new AgentError(
      'usage.invalid',
      `the file of --output is there already or cannot be made (${codeOf(cause) ?? 'unknown reason'})`,
      { advice: 'name another one', cause },
    );
  }
}

async function fill(opened: FileHandle, text: string): Promise<void> {
  await using file = opened;
  await file.writeFile(text);
}

/** `bundle import`: what is not good as a whole changes nothing. */
export async function importFile(
  file: string,
  { signer, json, ...flags }: ImportFlags,
  { env, stdout, stderr }: CliContext,
): Promise<void> {
  const { config } = readAgentConfig(flags, env);
  if (signer !== undefined && !THUMBPRINT.test(signer))
    throw new AgentError('usage.invalid', '--signer is no thumbprint', {
      advice: 'give the 43 characters that the export printed',
    });
  const jws = await readBundleFile(file);
  const { stateDir, socket } = config;
  const imported = await importBundle({ stateDir, jws, signer, clock: systemClock });
  if (imported.isRunning) {
    const taken = untilTaken(imported, { stateDir, client: new LocalClient(socket) });
    await waitingFor('waiting for the running agent to take the bundle', { stderr }, taken);
  }
  tell(imported, { json, ...flags }, stdout);
}

/** @throws AgentError with the code by which the daemon refused it, or `agent.not_ready` when it has not looked in time */
async function untilTaken(
  { bundle }: Imported,
  { stateDir, client }: { stateDir: string; client: LocalClient },
): Promise<void> {
  const deadline = systemClock.monotonic() + PATIENCE_MS;
  const issuedAtMs = Date.parse(bundle.issuedAt);
  // Noted before it is served: what is served must never be without its end.
  const isTaken = ({ agent, imported, revision }: Health) =>
    agent.id === bundle.agentId &&
    Date.parse(imported.issuedAt ?? '') >= issuedAtMs &&
    revision >= bundle.revision;
  for (;;) {
    const state = await StateDirectory.view(stateDir);
    const waits = state !== undefined && (await readIncoming(state)) !== undefined;
    const report = await client.read('/healthz', health);
    if (isTaken(report)) return;
    // Looked for before: what was gone by then, and was not taken, was refused.
    if (!waits || systemClock.monotonic() > deadline) throw notTaken(report.imported.error);
    await sleep(ASK_EVERY_MS);
  }
}

function notTaken(code: string | null): AgentError {
  if (code !== null)
    return new AgentError(code, 'the running agent has refused the bundle', {
      advice: 'see its log',
    });
  return new AgentError('agent.not_ready', 'the running agent has not taken the bundle yet', {
    advice: 'see its log, and that --socket and --state-dir are those of one agent',
  });
}

function tell(
  { bundle, isFirst, isRunning }: Imported,
  { json, ...flags }: ConfigFlags & { json: boolean | undefined },
  stdout: CliContext['stdout'],
): void {
  const { agentId, name, revision, issuedAt, expiresAt } = bundle;
  const group = bundle.group.name;
  const report = { agentId, name, group, revision, issuedAt, expiresAt, isRunning };
  const who = isFirst ? `This host is ${name} (${agentId}) in group ${group}.\n` : '';
  const when = isRunning ? '' : ` Start it with: ${startCommand(flags)}`;
  stdout.write(
    json === true
      ? `${jsonText(report)}\n`
      : `${who}Imported revision ${revision}, served until ${expiresAt}.${when}\n`,
  );
}
