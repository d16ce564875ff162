import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AgentError } from '../agent-error.ts';
import { readAgentConfig, type ConfigFlags } from '../config.ts';
import { ownershipOf } from '../files/ownership.ts';
import { runAfterChange } from '../render/after-change.ts';
import { writeOutput, type OutputFile } from '../render/output-file.ts';
import { renderAtOneRevision } from '../render/revision-source.ts';
import { renderTemplate } from '../render/template.ts';
import { codeOf } from '../state/system-error.ts';
import { withoutCredentials, type CliContext } from './context.ts';
import { followChanges } from './follow-changes.ts';
import { LocalClient, VALUES_TIMEOUT_MS } from './local-client.ts';
import type { Entry } from './local-events.ts';
import { reportNotice } from './report-failure.ts';
import { millisecondsOf } from './seconds.ts';
import { waitingFor } from './waiting-for.ts';

export type RenderFlags = ConfigFlags & {
  template: string;
  output: string;
  owner?: string;
  group?: string;
  mode: string;
  backup?: boolean;
  once?: boolean;
  watch?: boolean;
  debounce: string;
  splay: string;
  commandTimeout: string;
};

/** Renders once. Resolves to the revision that the values are of. */
type Pass = () => Promise<number>;

/**
 * `render`: writes a template with secrets and configurations to a file, and runs a command when that is another than
 * before. With `--watch` it does so at each change until SIGTERM or SIGINT.
 */
export async function renderCommand(
  afterwards: readonly string[],
  flags: RenderFlags,
  context: CliContext,
): Promise<void> {
  const settings = settingsOf(flags);
  const client = new LocalClient(
    readAgentConfig(flags, context.env).config.socket,
    VALUES_TIMEOUT_MS,
  );
  const asked = new Map<string, Entry>();
  const stopping = new AbortController();
  const pass: Pass = async () => {
    const template = await readTemplate(flags.template);
    const rendering = renderAtOneRevision(
      client,
      (entry) => asked.set(`${entry.kind} ${entry.name}`, entry),
      (source) => renderTemplate(template, flags.template, source),
    );
    const { text, revision } = await waitingFor(
      'asking the agent for the values',
      context,
      rendering,
    );
    const isNews = await writeOutput(settings.output, text);
    const [command, ...args] = afterwards;
    if (isNews && command !== undefined)
      await runAfterChange({ command, args }, settings.commandTimeoutMs, {
        env: withoutCredentials(context.env),
        stopping: stopping.signal,
      });
    return revision;
  };
  if (flags.watch !== true) return void (await pass());
  const { debounceMs, splayMs } = settings;
  const tell = (sentence: string) => reportNotice(sentence, context);
  const entries = () => [...asked.values()];
  await untilSignal(stopping, async (signal) => {
    const since = await pass();
    await followChanges({ client, since, entries, debounceMs, splayMs, tell, signal }, async () => {
      await pass();
    });
  });
}

/** SIGTERM and SIGINT end it in order: a command that fails then is not run again, and is no failure of this one. */
async function untilSignal(
  stopping: AbortController,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = () => stopping.abort();
  process.once('SIGTERM', stop).once('SIGINT', stop);
  try {
    await work(stopping.signal);
  } catch (error) {
    const isEnd = error instanceof AgentError && error.code === 'command.failed';
    if (!isEnd || !stopping.signal.aborted) throw error;
  } finally {
    // What failed must not leave the stream of changes open, which keeps a process that does nothing more.
    stop();
    process.off('SIGTERM', stop).off('SIGINT', stop);
  }
}

function settingsOf(flags: RenderFlags) {
  if (flags.once === true && flags.watch === true)
    throw new AgentError('usage.invalid', '--once and --watch exclude each other', {
      advice: 'give one of them',
    });
  const ownership = ownershipOf(
    { owner: accountOf(flags.owner), group: accountOf(flags.group) },
    '--owner and --group',
  );
  const output: OutputFile = {
    path: resolve(flags.output),
    mode: modeOf(flags.mode),
    ownership,
    backup: flags.backup === true,
  };
  return {
    output,
    debounceMs: millisecondsOf('--debounce', flags.debounce),
    splayMs: millisecondsOf('--splay', flags.splay),
    commandTimeoutMs: millisecondsOf('--command-timeout', flags.commandTimeout),
  };
}

/** A name, or a number. */
function accountOf(text: string | undefined): string | number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : text;
}

function modeOf(text: string): number {
  if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8);
  throw new AgentError('usage.invalid', '--mode is no mode of a file', {
    advice: 'give three octal digits, such as 0600 or 0640',
  });
}

async function readTemplate(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new AgentError(
      'template.unusable',
      `the template ${path} cannot be read (${codeOf(error)})`,
      { advice: 'correct --template, or let this user read it', cause: error },
    );
  }
}
