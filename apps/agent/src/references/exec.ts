import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { codeOf } from '../state/system-error.ts';
import { MOST_BYTES, withoutLineEnd } from './line-end.ts';
import { memberOf } from './member.ts';
import { denied, unusable, type Provider } from './provider.ts';
import type { ReferenceOf } from './reference.ts';
import type { Commands } from './settings.ts';

type Command = Commands[string];

/** Commands that stand in the agent's configuration, with all of their arguments; a reference names one. */
export class CommandProvider implements Provider<'exec'> {
  readonly #commands: ReadonlyMap<string, Command>;

  constructor(commands: Commands) {
    this.#commands = new Map(Object.entries(commands));
  }

  async resolve(
    { command: name, field }: ReferenceOf<'exec'>,
    signal: AbortSignal,
  ): Promise<Buffer> {
    const command = this.#commands.get(name);
    if (command === undefined)
      throw denied(
        'the command that the secret refers to is not one that may be run',
        'add it to references.exec.commands of this agent, or mend the reference',
      );
    return memberOf(withoutLineEnd(await outputOf(command, signal)), field);
  }
}

/** What a command prints, within its time; whatever it started is killed with it. */
async function outputOf(
  { argv, environment, timeoutSeconds }: Command,
  signal: AbortSignal,
): Promise<Buffer> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    // Its standard error could quote a value.
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8', ...environment },
    cwd: '/',
    // A process group of its own, so that nothing of it is left.
    detached: true,
  });
  const late = AbortSignal.any([signal, AbortSignal.timeout(timeoutSeconds * 1000)]);
  const kill = () => killGroup(child);
  late.addEventListener('abort', kill, { once: true });
  try {
    const [output, ended] = await Promise.all([collected(child, kill), endOf(child)]);
    if (output !== undefined && ended === 0) return output;
    output?.fill(0);
    if (late.aborted)
      throw unusable(
        `the command that the secret refers to did not end within ${timeoutSeconds} s`,
      );
    if (output === undefined)
      throw unusable('the command that the secret refers to prints too much for a secret');
    throw unusable(`the command that the secret refers to ended with ${ended}`, 'run it by hand');
  } finally {
    late.removeEventListener('abort', kill);
  }
}

/** Undefined when it is too much. */
async function collected(child: ChildProcess, kill: () => void): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    length += chunk.byteLength;
    if (length > MOST_BYTES) kill();
    else chunks.push(chunk);
  });
  await once(child, 'close').catch(() => {});
  const output = length > MOST_BYTES ? undefined : Buffer.concat(chunks);
  for (const chunk of chunks) chunk.fill(0);
  return output;
}

/** The code or the signal that it ended with; what it left running is killed then. */
async function endOf(child: ChildProcess): Promise<number | string> {
  try {
    const [code, signal]: (number | string | null)[] = await once(child, 'exit');
    killGroup(child);
    return code ?? signal ?? 'no code';
  } catch (error) {
    throw unusable(
      `the command that the secret refers to cannot be run (${codeOf(error) ?? 'unknown'})`,
      'mend its argv in references.exec.commands of this agent',
    );
  }
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}
