import { readFile, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { rolldown, type OutputChunk, type OutputOptions, type Plugin } from 'rolldown';

export const root = join(import.meta.dirname, '../..');

/** A module, from the repository's root, and the file that it is imported from. */
export type Beside = { readonly module: string; readonly output: string };

/** A program, and the file that it becomes. */
export type OneFile = {
  input: string;
  output: string;
  format: 'esm' | 'cjs';
  banner?: string;
  /** What is left out of it. */
  beside?: Beside | undefined;
};

/**
 * Imports are linked before the first statement runs, and an older Node ends there when a module of its own
 * lacks a name. So the file imports none of them, and asks for each where the import stood. `node:module`
 * stays: the bundler's own code imports it, for a name that is old.
 */
const builtinsInPlace: Plugin = {
  name: 'builtins-in-place',
  resolveId: (id) => (isBuiltin(id) && id !== 'node:module' ? { id: `\0${id}` } : undefined),
  load: (id) =>
    id.startsWith('\0') && isBuiltin(id.slice(1))
      ? `module.exports = process.getBuiltinModule(${JSON.stringify(id.slice(1))});`
      : undefined,
};

export const isBuiltin = (id: string): boolean =>
  id.startsWith('node:') || builtinModules.includes(id);
export const isNpmPackage = (id: string): boolean =>
  !id.startsWith('.') && !isAbsolute(id) && !id.startsWith('@sallyport/') && !isBuiltin(id);

/** Leaves a module out, and has it imported from the file beside. */
function fromBeside({ module, output }: Beside): Plugin {
  const file = `./${basename(output)}`;
  return {
    name: 'from-beside',
    resolveId: (id, importer) =>
      importer !== undefined && resolve(dirname(importer), id) === join(root, module)
        ? { id: file, external: 'absolute' }
        : undefined,
  };
}

/**
 * Node keeps the text of a program for as long as it runs, and with one letter beyond Latin-1 two bytes for each: two
 * megabytes for the agent. Every such letter is in a string, a template, a pattern or a comment, where an escape is
 * the same.
 */
async function writePlainAscii(output: string): Promise<void> {
  const text = await readFile(output, 'utf8');
  const escape = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  await writeFile(output, text.replaceAll(/[^\0-\x7f]/g, escape));
}

/** Bundles a program into one file that needs Node, and nothing else but what is beside it; returns what went into it. */
export async function bundleOneFile({
  input,
  output,
  format,
  banner,
  beside,
}: OneFile): Promise<OutputChunk[]> {
  const build = await rolldown({
    cwd: root,
    input,
    platform: 'node',
    plugins: [builtinsInPlace, ...(beside === undefined ? [] : [fromBeside(beside)])],
    // Older than what is needed, so that the refusal is parsed there: `using` is rewritten.
    transform: { target: 'node18' },
    external: (id) => id === 'node:module',
  });
  const options: OutputOptions = { file: output, codeSplitting: false, format };
  const result = await build.write(banner === undefined ? options : { ...options, banner });
  await build.close();
  await writePlainAscii(resolve(root, output));
  const chunks = result.output.filter((part) => part.type === 'chunk');
  const outside = importsOutside(chunks);
  if (outside.length > 0)
    throw new Error(`${output} is not one file: it imports ${outside.join(', ')}`);
  return chunks;
}

function importsOutside(chunks: readonly OutputChunk[]): string[] {
  return chunks
    .flatMap((chunk) => [...chunk.imports, ...chunk.dynamicImports])
    .filter((id) => isNpmPackage(id) && !chunks.some(({ fileName }) => fileName === id));
}
