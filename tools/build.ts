import { readFileSync } from 'node:fs';
import { chmod, cp, rm } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { rolldown, type OutputOptions, type Plugin } from 'rolldown';
import { z } from 'zod';

/**
 * `node tools/build.ts [--into FOLDER] [agent|cli|server]…` bundles the three programs, into dist/ by default.
 * The agent and the CLI are one file each and need Node only; what the agent loads for AWS alone is another, beside it. The server is a folder that keeps the
 * repository's layout, as it finds its migrations by it; its npm dependencies stay outside, since argon2,
 * Prisma and the API pages load native, WebAssembly and static files of their own. Install them beside
 * it: `pnpm --filter @sallyport/control-plane --prod --config.node-linker=hoisted deploy FOLDER`.
 */
interface Program {
  readonly input: string;
  /** Where it is started. */
  readonly output: string;
  readonly options: OutputOptions;
  readonly needsPackages: boolean;
  /** A module that is loaded late, if at all, from a file of its own beside the output. */
  readonly beside?: { readonly module: string; readonly output: string };
}

const root = join(import.meta.dirname, '..');
const { engines } = z
  .object({ engines: z.object({ node: z.string().regex(/^>=\d+\.\d+$/) }) })
  .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
const neededNode = engines.node.slice(2);
const { values, positionals } = parseArgs({
  options: { into: { type: 'string', default: join(root, 'dist') } },
  allowPositionals: true,
});
const into = resolve(values.into);
const serverFolder = join(into, 'sallyport-server');

const oneFile = (input: string, output: string): Program => ({
  input,
  output,
  options: { file: output, codeSplitting: false, banner: refuseOlderNode(output) },
  needsPackages: false,
});
const programs: Record<string, Program> = {
  agent: {
    ...oneFile('apps/agent/src/main.ts', join(into, 'sallyport-agent.mjs')),
    beside: {
      module: 'apps/agent/src/references/aws-sdk.ts',
      output: join(into, 'sallyport-agent-aws.mjs'),
    },
  },
  cli: oneFile('apps/cli/src/main.ts', join(into, 'sallyport.mjs')),
  server: {
    input: 'apps/control-plane/src/main.ts',
    output: join(serverFolder, 'apps/control-plane/src/main.mjs'),
    options: {
      dir: serverFolder,
      preserveModules: true,
      preserveModulesRoot: root,
      entryFileNames: '[name].mjs',
    },
    needsPackages: true,
  },
};

/** The first statement of a program: an older Node is told in one line, and not by what it stumbles on. */
function refuseOlderNode(output: string): string {
  const [major, minor] = neededNode.split('.').map(Number);
  const line = `${basename(output, '.mjs')}: needs Node ${neededNode} or later; this is Node `;
  return `{
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < ${major} || (major === ${major} && minor < ${minor})) {
    process.stderr.write(${JSON.stringify(line)} + process.versions.node + '\\n');
    process.exit(1);
  }
}`;
}

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

const isBuiltin = (id: string) => id.startsWith('node:') || builtinModules.includes(id);
const isNpmPackage = (id: string) =>
  !id.startsWith('.') && !isAbsolute(id) && !id.startsWith('@sallyport/') && !isBuiltin(id);

/** Leaves a module out, and has it imported from the file beside. */
function fromBeside({ module, output }: { module: string; output: string }): Plugin {
  const file = `./${basename(output)}`;
  return {
    name: 'from-beside',
    resolveId: (id, importer) =>
      importer !== undefined && resolve(dirname(importer), id) === join(root, module)
        ? { id: file, external: 'absolute' }
        : undefined,
  };
}

async function buildProgram(name: string, program: Program): Promise<void> {
  const { input, output, options, needsPackages, beside } = program;
  const plugins = [builtinsInPlace, ...(beside === undefined ? [] : [fromBeside(beside)])];
  const build = await rolldown({
    cwd: root,
    input,
    platform: 'node',
    // Older than what is needed, so that the refusal is parsed there: `using` is rewritten.
    ...(needsPackages ? {} : { plugins, transform: { target: 'node18' } }),
    external: (id) => (needsPackages ? isBuiltin(id) || isNpmPackage(id) : id === 'node:module'),
  });
  const result = await build.write({ ...options, format: 'esm' });
  await build.close();
  await chmod(output, 0o755);

  const chunks = result.output.filter((part) => part.type === 'chunk');
  const outside = chunks
    .flatMap((chunk) => [...chunk.imports, ...chunk.dynamicImports])
    .filter((id) => isNpmPackage(id) && !chunks.some(({ fileName }) => fileName === id));
  if (!needsPackages && outside.length > 0) {
    throw new Error(`${output} is not one file: it imports ${outside.join(', ')}`);
  }
  const bytes = chunks.reduce((sum, { code }) => sum + Buffer.byteLength(code), 0);
  process.stdout.write(`${name}: ${relative(root, output)} (${Math.ceil(bytes / 1024)} KiB)\n`);
}

const names = positionals.length > 0 ? positionals : Object.keys(programs);
for (const name of names) {
  const program = programs[name];
  if (program === undefined) {
    process.stderr.write(`no program ${name}; there are ${Object.keys(programs).join(', ')}\n`);
    process.exit(2);
  }
  await rm(program.options.dir ?? program.output, { recursive: true, force: true });
  await buildProgram(name, program);
  if (program.beside === undefined) continue;
  const { module, output } = program.beside;
  await buildProgram(`${name}, beside it`, oneFile(module, output));
}
if (names.includes('server')) {
  await cp(join(root, 'prisma'), join(serverFolder, 'prisma'), { recursive: true });
}
