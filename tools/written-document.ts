import { readFile, writeFile } from 'node:fs/promises';

/** Writes a generated document into docs; `--check` fails when what is there is another one. */
export async function writtenDocument(
  name: string,
  document: string,
  command: string,
): Promise<void> {
  const path = new URL(`../docs/${name}`, import.meta.url);
  if (!process.argv.includes('--check')) return writeFile(path, document);
  if ((await readFile(path, 'utf8').catch(() => '')) === document) return;
  process.stdout.write(`docs/${name} is not up to date; run: node ${command}\n`);
  process.exitCode = 1;
}
