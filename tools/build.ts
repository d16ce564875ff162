import { chmod, cp, rm } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown, type OutputChunk } from 'rolldown';

/**
 * `node tools/build.ts [agent|cli|server]…` bundles the three programs into dist/.
 * The agent and the CLI are one file each and need Node only. The server keeps its npm dependencies
 * outside: argon2, Prisma and the API pages load native, WebAssembly and static files of their own.
 */
interface Program {
  readonly input: string;
  readonly output: string;
  readonly needsPackages: boolean;
}

const programs: Record<string, Program> = {
  agent: {
    input: 'apps/agent/src/main.ts',
    output: 'dist/sallyport-agent.mjs',
    needsPackages: false,
  },
  cli: { input: 'apps/cli/src/main.ts', output: 'dist/sallyport.mjs', needsPackages: false },
  server: {
    input: 'apps/control-plane/src/main.ts',
    output: 'dist/sallyport-server/main.mjs',
    needsPackages: true,
  },
};

const root = fileURLToPath(new URL('..', import.meta.url));
const isBuiltin = (id: string) => id.startsWith('node:') || builtinModules.includes(id);
const isNpmPackage = (id: string) =>
  !id.startsWith('.') && !isAbsolute(id) && !id.startsWith('@sallyport/') && !isBuiltin(id);

async function bundle({ input, output, needsPackages }: Program): Promise<OutputChunk> {
  const build = await rolldown({
    cwd: root,
    input,
    platform: 'node',
    external: (id) => isBuiltin(id) || (needsPackages && isNpmPackage(id)),
  });
  const result = await build.write({
    file: output,
    format: 'esm',
    codeSplitting: false,
  });
  await build.close();
  await chmod(new URL(`../${output}`, import.meta.url), 0o755);
  return result.output[0];
}

async function buildProgram(name: string, program: Program): Promise<void> {
  const chunk = await bundle(program);
  const outside = [...chunk.imports, ...chunk.dynamicImports].filter(isNpmPackage);
  if (!program.needsPackages && outside.length > 0) {
    throw new Error(`${program.output} is not one file: it imports ${outside.join(', ')}`);
  }
  const kilobytes = Math.ceil(Buffer.byteLength(chunk.code) / 1024);
  process.stdout.write(`${name}: ${program.output} (${kilobytes} KiB)\n`);
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(programs);
for (const name of names) {
  const program = programs[name];
  if (program === undefined) {
    process.stderr.write(`no program ${name}; there are ${Object.keys(programs).join(', ')}\n`);
    process.exit(2);
  }
  await buildProgram(name, program);
}
if (names.includes('server')) {
  // The server applies these at start; beside the bundle they stand where they do in the repository.
  await rm(new URL('../dist/sallyport-server/prisma', import.meta.url), {
    recursive: true,
    force: true,
  });
  await cp(
    new URL('../prisma', import.meta.url),
    new URL('../dist/sallyport-server/prisma', import.meta.url),
    {
      recursive: true,
    },
  );
}
