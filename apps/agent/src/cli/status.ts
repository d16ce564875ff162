import { counted, jsonText, printable } from '@sallyport/contract';
import { readAgentConfig, type ConfigFlags } from '../config.ts';
import { exitCodes } from '../exit-codes.ts';
import { offsetInWords } from '../link/server-clock.ts';
import { health, type Health, type HealthStatus } from '../local-api/health.ts';
import type { CliContext } from './context.ts';
import { LocalClient } from './local-client.ts';
import { ASKING_AGENT, waitingFor } from './waiting-for.ts';

const exitCodeOf: Record<HealthStatus, number> = {
  ready: exitCodes.ok,
  stale: exitCodes.ok,
  starting: exitCodes.notReady,
  revoked: exitCodes.revoked,
};

/** `status`: what the agent says of itself. Returns the exit code: 0 while it serves values. */
export async function showStatus(
  flags: ConfigFlags & { json?: boolean },
  { env, stdout, stderr }: CliContext,
): Promise<number> {
  const client = new LocalClient(readAgentConfig(flags, env).config.socket);
  const report = await waitingFor(ASKING_AGENT, { stderr }, client.read('/healthz', health));
  stdout.write(
    flags.json === true
      ? `${jsonText(report)}\n`
      : `${describe(report).map(printable).join('\n')}\n`,
  );
  return exitCodeOf[report.status];
}

function describe({
  status,
  staleSince,
  offline,
  agent,
  revision,
  epoch,
  entries,
  controlPlane,
  tlsWeak,
  authentication,
  fileProblems,
  durable,
  files,
  providers,
  imported,
  clockOffsetMilliseconds,
  peerCredentials,
  memory,
  resources,
  events,
  conditions,
}: Health): string[] {
  const { lastError } = controlPlane;
  const advice = lastError?.advice ?? undefined;
  return [
    `status         ${status}${staleSince === null ? '' : ` since ${staleSince}`}${offline ? ', offline since the start' : ''}`,
    `agent          ${agent.name} (${agent.id}), group ${agent.group}`,
    ...conditions.map(
      ({ code, detail }) => `condition      ${code.replaceAll('_', ' ')} (${detail})`,
    ),
    `revision       ${revision}, epoch ${epoch}, ${counted(entries, 'entry', 'entries')}`,
    `control plane  ${controlPlane.url ?? dialler(controlPlane)} ${controlPlane.state} since ${controlPlane.since}`,
    `sessions       by ${authentication.method}${authentication.expiresAt === null ? '' : `, certificate expires ${authentication.expiresAt}`}`,
    ...fileProblems.map((problem) => `files          ${problem}`),
    ...(tlsWeak === true ? ['tls            weak cipher suite; see controlPlane.tls'] : []),
    ...(lastError === null
      ? []
      : [
          `last error     ${lastError.at} ${lastError.code}: ${lastError.message}${advice === undefined ? '' : ` — ${advice}`}`,
        ]),
    `disk           ${durable.revision === null ? 'no bundle' : `revision ${durable.revision}, ${durable.bytes} bytes`}${durable.error === null ? '' : `, ${durable.error}`}`,
    ...importedIn(imported),
    ...files.map(fileOf),
    ...providers.flatMap(failingOf),
    ...(clockOffsetMilliseconds === null
      ? []
      : [`clock          ${offsetInWords(clockOffsetMilliseconds)}`]),
    `memory         ${memoryOf(memory)}`,
    ...resourcesOf(resources),
    ...(events.waiting === 0
      ? []
      : [
          `audit          ${counted(events.waiting, 'batch of events waits', 'batches of events wait')}`,
        ]),
    ...(peerCredentials ? [] : ['programs       this host does not tell whose they are']),
  ];
}

function dialler({ peer }: Health['controlPlane']): string {
  return peer === null ? 'dials this agent, and has not yet:' : `dials this agent, from ${peer}:`;
}

function resourcesOf({ memoryBytes, cpuPercent, freeDiskBytes }: Health['resources']): string[] {
  if (memoryBytes === null || freeDiskBytes === null) return [];
  const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  return [
    `resources      ${mib(memoryBytes)} of memory, ${cpuPercent} % of a processor, ${mib(freeDiskBytes)} of disk free`,
  ];
}

function memoryOf({ locked, dumpable, reason }: Health['memory']): string {
  const keys = locked ? 'keys are locked' : `keys are not locked: ${reason}`;
  const dumps = dumpable ? 'core dumps and other programs of this user get at it' : 'no core dumps';
  return `${keys}; ${dumps}`;
}

function importedIn({ revision, issuedAt, expiresAt, error }: Health['imported']): string[] {
  if (revision === null && error === null) return [];
  const held = revision === null ? 'nothing' : `revision ${revision}, issued ${issuedAt}`;
  const until = expiresAt === null ? '' : `, until ${expiresAt}`;
  return [`imported       ${held}${until}${error === null ? '' : `, ${error}`}`];
}

function fileOf({ path, certificate, version, error }: Health['files'][number]): string {
  // What an earlier run left there is not known to be of any version.
  const held = version === null ? 'not written since the start' : `version ${version}`;
  return `file           ${path}: certificate ${certificate}, ${held}${error === null ? '' : `, ${error}`}`;
}

function failingOf({ provider, failing }: Health['providers'][number]): string[] {
  if (failing === null) return [];
  const { code, message, since } = failing;
  return [`provider       ${provider}:// fails since ${since}: ${code}: ${message}`];
}
