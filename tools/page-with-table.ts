import { readFile, writeFile } from 'node:fs/promises';

/**
 * Puts a generated table between a page's `<!-- name -->` and `<!-- end of name -->`; run with `--check` it
 * only tells, by exit code 1, when the page has another one there.
 */
export async function pageWithTable(path: string, name: string, table: string[]): Promise<void> {
  const page = await readFile(path, 'utf8');
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const [before = '', rest = ''] = page.split(begin);
  const wanted = `${before}${begin}\n\n${table.join('\n')}\n\n${rest.slice(rest.indexOf(end))}`;
  if (!process.argv.includes('--check')) await writeFile(path, wanted);
  else if (unpadded(wanted) !== unpadded(page)) {
    process.stdout.write(`${path} is not up to date; run: node ${process.argv[1]}\n`);
    process.exitCode = 1;
  }
}

/** The formatter lines columns up. */
function unpadded(text: string): string {
  return text.replaceAll(/ +|-+/g, ' ');
}
