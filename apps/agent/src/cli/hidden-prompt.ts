import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { AgentError } from '../agent-error.ts';
import type { CliContext } from './context.ts';

/**
 * Asks a person for one line, which is not shown while it is typed.
 *
 * @throws AgentError `prompt.interrupted` on Ctrl-C, `usage.invalid` on Ctrl-D or the end of the input
 */
export async function promptHidden(
  question: string,
  { stdin, stderr }: Pick<CliContext, 'stdin' | 'stderr'>,
): Promise<string> {
  // readline echoes to its output: with one that shows nothing, nothing is echoed.
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: stdin, output: unseen, terminal: true, historySize: 0 });
  stderr.write(question);
  try {
    return await new Promise((resolve, reject) => {
      reader.once('line', resolve);
      reader.once('SIGINT', () =>
        reject(new AgentError('prompt.interrupted', 'interrupted; nothing was entered')),
      );
      reader.once('close', () => reject(new AgentError('usage.invalid', 'nothing was entered')));
    });
  } finally {
    reader.close();
    stderr.write('\n');
  }
}
