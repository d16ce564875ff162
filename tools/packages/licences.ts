import { readdir, readFile, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { root } from './one-file.ts';

const manifest = z.object({ name: z.string(), version: z.string(), license: z.string() });

/** The licences of Node and of every npm package that these modules are of, to go with what is made of them. */
export async function licencesOf(modules: readonly string[]): Promise<string> {
  const packages = [...new Set(modules.map(packageOf))].filter((folder) => folder !== undefined);
  const texts = await Promise.all(packages.toSorted().map(licenceIn));
  const own = await readFile(join(root, 'LICENSE'), 'utf8');
  return [
    titled('sallyport-agent', own),
    titled(`Node.js ${process.versions.node}`, await licenceOfNode()),
    ...texts,
  ].join('\n');
}

/** The folder of the npm package that a module is in; undefined for one of this repository. */
function packageOf(module: string): string | undefined {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(module)?.[0];
}

async function licenceIn(folder: string): Promise<string> {
  const { name, version, license } = manifest.parse(
    JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')),
  );
  const file = (await readdir(folder)).find((each) => /^licen[cs]e(\.\w+)?$/i.test(each));
  const text = file === undefined ? license : await readFile(join(folder, file), 'utf8');
  return titled(`${name} ${version}`, text);
}

async function licenceOfNode(): Promise<string> {
  const installation = dirname(dirname(await realpath(process.execPath)));
  return readFile(join(installation, 'LICENSE'), 'utf8');
}

function titled(what: string, text: string): string {
  return `${what}\n${'='.repeat(what.length)}\n\n${text.trim()}\n`;
}
