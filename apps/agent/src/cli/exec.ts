import { AgentError } from '../agent-error.ts';
import { readAgentConfig, type ConfigFlags } from '../config.ts';
import { BorrowedValues } from '../exec/borrowed-values.ts';
import { parseInjections, variablesOf, type Injection } from '../exec/injection.ts';
import { MaskedValues } from '../exec/mask.ts';
import { OwnOutput } from '../exec/own-output.ts';
import { parseReaction } from '../exec/reaction.ts';
import { SupervisedCommand } from '../exec/supervised-command.ts';
import { ValueFifos } from '../exec/value-fifos.ts';
import { ValueFiles } from '../exec/value-files.ts';
import { withoutCredentials, type CliContext } from './context.ts';
import { followChanges, type Following } from './follow-changes.ts';
import { LocalClient, VALUES_TIMEOUT_MS } from './local-client.ts';
import type { Together } from './read-together.ts';
import { reportNotice } from './report-failure.ts';
import { millisecondsOf } from './seconds.ts';
import { waitingFor } from './waiting-for.ts';

export type ExecFlags = ConfigFlags & {
  env: string[];
  file: string[];
  fifo: string[];
  onChange: string;
  debounce: string;
  splay: string;
  grace: string;
  mask: boolean;
};

/** What stays the same from the start of one `exec` to its end. */
type Execution = ReturnType<typeof settingsOf> & {
  injections: readonly Injection[];
  client: LocalClient;
  values: BorrowedValues;
  context: CliContext;
  masked: MaskedValues;
  files: ValueFiles;
  fifos: ValueFifos;
  command: SupervisedCommand;
};

/**
 * `exec`: runs a command with secrets in its environment and in files. It starts with all of them or not at all.
 * Returns the exit code of the command.
 */
export async function execCommand(
  [command = '', ...args]: string[],
  flags: ExecFlags,
  context: CliContext,
): Promise<number> {
  const injections = parseInjections(flags.env, flags.file, flags.fifo);
  const settings = settingsOf(flags, injections);
  const client = new LocalClient(
    readAgentConfig(flags, context.env).config.socket,
    VALUES_TIMEOUT_MS,
  );
  const masked = new MaskedValues();
  const isMasked = flags.mask && injections.length > 0;
  using output = isMasked ? new OwnOutput() : undefined;
  // Before the values are asked for, which takes time: a signal meanwhile still gives back what was lent.
  using supervised = new SupervisedCommand({ command, args }, isMasked ? masked : undefined);
  await using values = new BorrowedValues(client, injections);
  const reading = values.read(client.until(supervised.stopped));
  const given = await waitingFor('asking the agent for the values', context, reading).catch(
    (error: unknown) => {
      if (!supervised.stopped.aborted) throw error;
    },
  );
  if (given === undefined) return await supervised.ended;
  await using files = new ValueFiles();
  await using fifos = new ValueFifos();
  const parts = { injections, client, values, context, masked, files, fifos };
  const exitCode = await run({ ...settings, ...parts, command: supervised }, given);
  output?.assertWritten();
  return exitCode;
}

function settingsOf(flags: ExecFlags, injections: readonly Injection[]) {
  const reaction = parseReaction(flags.onChange);
  if (reaction.do !== 'ignore' && injections.every(({ source }) => source === 'lease'))
    throw new AgentError(
      'usage.invalid',
      '--on-change is of no use: the command has no values that change',
      {
        advice: 'give it some with --env, --file or --fifo',
      },
    );
  return {
    reaction,
    debounceMs: millisecondsOf('--debounce', flags.debounce),
    splayMs: millisecondsOf('--splay', flags.splay),
    graceMs: millisecondsOf('--grace', flags.grace),
  };
}

async function run(execution: Execution, given: Together): Promise<number> {
  const { command, reaction } = execution;
  command.start(await handOver(execution, given.values));
  if (reaction.do === 'ignore') return command.ended;
  const stopping = new AbortController();
  const following = followingOf(execution, given.revision, stopping.signal);
  const followed = followChanges(following, reactor(execution, given.values));
  try {
    return await Promise.race([command.ended, followed.then(() => command.ended)]);
  } finally {
    stopping.abort();
    await followed;
  }
}

function followingOf(
  { injections, client, context, debounceMs, splayMs }: Execution,
  since: number,
  signal: AbortSignal,
): Following {
  const entries = injections
    .filter(({ source }) => source === 'secret')
    .map(({ secret }) => ({ kind: 'secret' as const, name: secret }));
  const tell = (sentence: string) => reportNotice(sentence, context);
  return { client, since, entries: () => entries, debounceMs, splayMs, tell, signal };
}

/** Puts values where the command finds them; returns its environment. */
async function handOver(
  { injections, files, fifos, masked, context }: Execution,
  values: readonly string[],
): Promise<CliContext['env']> {
  const variables = variablesOf(injections, values);
  masked.add(values);
  await files.write(injections, values);
  await fifos.set(injections, values);
  return { ...withoutCredentials(context.env), ...variables };
}

/** Brings the command up to date when a value that it was given has changed; does nothing otherwise. */
function reactor(execution: Execution, given: readonly string[]): () => Promise<void> {
  const { values: borrowed, command, reaction, graceMs } = execution;
  let current = given;
  return async () => {
    const values = await borrowed.readChanged(current);
    if (values === undefined) return;
    const env = await handOver(execution, values);
    current = values;
    if (reaction.do === 'restart') await command.restart(graceMs, env);
    else if (reaction.do === 'signal') command.signal(reaction.signal);
  };
}
