import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { aborted } from '../aborted.ts';
import { codeOf } from '../state/system-error.ts';
import { MOST_BYTES, withoutLineEnd } from './line-end.ts';
import { memberOf } from './member.ts';
import { denied, unusable, type Provider } from './provider.ts';
import type { ReferenceOf } from './reference.ts';
import type { Commands } from './settings.ts';

type Command = Commands[string];

/** For so long what was printed last may still be under way. */
const LINGER_MS = 100;

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
    if (process.permission?.has('child') === false)
      throw denied(
        'Node’s permission model lets this agent start no program',
        'start Node with --allow-child-process',
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
  const printed = new Printed(child);
  try {
    const ended = await Promise.race([endOf(child), aborted(late), aborted(printed.tooMuch)]);
    await leave(child);
    if (printed.tooMuch.aborted)
      throw unusable('the command that the secret refers to prints too much for a secret');
    if (ended === undefined)
      throw unusable(
        `the command that the secret refers to did not end within ${timeoutSeconds} s`,
      );
    if (ended === 0) return printed.whole();
    throw unusable(`the command that the secret refers to ended with ${ended}`, 'run it by hand');
  } finally {
    printed.forget();
  }
}

/** What a command prints on standard output. */
class Printed {
  readonly #chunks: Buffer[] = [];
  readonly #tooMuch = new AbortController();
  #length = 0;

  constructor({ stdout }: ChildProcess) {
    stdout?.on('data', (chunk: Buffer) => {
      this.#length += chunk.byteLength;
      this.#chunks.push(chunk);
      if (this.#length <= MOST_BYTES) return;
      stdout.destroy();
      this.#tooMuch.abort();
    });
  }

  /** Aborted once it is more than any secret. */
  get tooMuch(): AbortSignal {
    return this.#tooMuch.signal;
  }

  whole(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  forget(): void {
    for (const chunk of this.#chunks) chunk.fill(0);
  }
}

/** The code or the signal that it ended with. */
async function endOf(child: ChildProcess): Promise<number | string> {
  try {
    const [code, signal]: (number | string | null)[] = await once(child, 'exit');
    return code ?? signal ?? 'no code';
  } catch (error) {
    throw unusable(
      `the command that the secret refers to cannot be run (${codeOf(error) ?? 'unknown'})`,
      'mend its argv in references.exec.commands of this agent',
    );
  }
}

/** Kills what still runs. What is out of reach, by a session or a user of its own, is not waited for. */
async function leave(child: ChildProcess): Promise<void> {
  killGroup(child);
  const { stdout } = child;
  if (stdout !== null && !stdout.closed)
    await once(stdout, 'close', { signal: AbortSignal.timeout(LINGER_MS) }).catch(() => {});
  stdout?.destroy();
  child.unref();
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It is gone, or runs as another user: nothing is left to be done about it.
  }
}
