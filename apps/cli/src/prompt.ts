import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { CliError } from './cli-error.ts';
import type { Terminal } from './terminal.ts';

/**
 * Asks a person for one line that is not shown while it is typed.
 *
 * @throws CliError `prompt.interrupted` on Ctrl-C, `prompt.cancelled` on Ctrl-D or the end of the input
 */
export function promptHidden(terminal: Terminal, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // readline echoes to its output: with one that shows nothing, nothing is echoed.
    const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
    const reader = createInterface({
      input: terminal.stdin,
      output: unseen,
      terminal: true,
      historySize: 0,
    });
    terminal.stderr.write(question);
    reader.once('line', (line) => {
      resolve(line);
      reader.close();
    });
    reader.once('SIGINT', () => {
      reject(new CliError('prompt.interrupted', 'interrupted; nothing was entered'));
      reader.close();
    });
    reader.once('close', () => {
      terminal.stderr.write('\n');
      reject(new CliError('prompt.cancelled', 'nothing was entered'));
    });
  });
}
