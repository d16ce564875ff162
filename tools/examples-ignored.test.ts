import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '..');
const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)];
/** What a command reads or writes as a file: by a redirection, or by an option of ours or of openssl and keytool. */
const FILE =
  /(?:> |--(?:chain|key|pkcs12|password-file|file|output|values|api-key-file|request) |-(?:out|keyout|keystore) |PWD\/)([\w.-]+)(?=[\s")]|$)/g;

/** The files of the examples that are where the reader stands, by the commands of the shell blocks. */
function filesOfExamples(): string[] {
  const text = pages.filter((page) => page.endsWith('.md')).map((page) => read(page));
  const blocks = text.flatMap((page) => [...page.matchAll(/^```sh\n([^`]+)^```/gm)]);
  const names = blocks.flatMap(([, block = '']) => [...block.matchAll(FILE)]);
  const placed = names.map(([, name = '']) => name);
  return [...new Set(placed)].filter(
    (name) => name.includes('.') || /password|key|^edge/.test(name),
  );
}

const read = (page: string) => readFileSync(join(root, page), 'utf8');

test('what the examples of README.md and docs/ leave in the repository is nothing that git would take', () => {
  const files = filesOfExamples();
  expect(files).toEqual(expect.arrayContaining(['key.pem', 'shop.p12', 'ann-password', 'ci-key']));
  const { stdout } = spawnSync('git', ['check-ignore', ...files], { cwd: root, encoding: 'utf8' });
  expect(files.filter((name) => !stdout.split('\n').includes(name))).toEqual([]);
});
