import { chmod, cp, rm } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { isAbsolute, join } from 'node:path';
import { rolldown, type OutputOptions } from 'rolldown';

/**
 * `node tools/build.ts [agent|cli|server]…` bundles the three programs into dist/.
 * The agent and the CLI are one file each and need Node only. The server is a folder that keeps the
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
}

const root = join(import.meta.dirname, '..');
const serverFolder = 'dist/sallyport-server';

const oneFile = (input: string, output: string): Program => ({
  input,
  output,
  options: { file: output, codeSplitting: false },
  needsPackages: false,
});
const programs: Record<string, Program> = {
  agent: oneFile('apps/agent/src/main.ts', 'dist/sallyport-agent.mjs'),
  cli: oneFile('apps/cli/src/main.ts', 'dist/sallyport.mjs'),
  server: {
    input: 'apps/control-plane/src/main.ts',
    output: `${serverFolder}/apps/control-plane/src/main.mjs`,
    options: {
      dir: serverFolder,
      preserveModules: true,
      preserveModulesRoot: root,
      entryFileNames: '[name].mjs',
    },
    needsPackages: true,
  },
};

const isBuiltin = (id: string) => id.startsWith('node:') || builtinModules.includes(id);
const isNpmPackage = (id: string) =>
  !id.startsWith('.') && !isAbsolute(id) && !id.startsWith('@sallyport/') && !isBuiltin(id);

async function buildProgram(name: string, program: Program): Promise<void> {
  const { input, output, options, needsPackages } = program;
  const build = await rolldown({
    cwd: root,
    input,
    platform: 'node',
    external: (id) => isBuiltin(id) || (needsPackages && isNpmPackage(id)),
  });
  const result = await build.write({ ...options, format: 'esm' });
  await build.close();
  await chmod(join(root, output), 0o755);

  const chunks = result.output.filter((part) => part.type === 'chunk');
  const outside = chunks
    .flatMap((chunk) => [...chunk.imports, ...chunk.dynamicImports])
    .filter((id) => isNpmPackage(id) && !chunks.some(({ fileName }) => fileName === id));
  if (!needsPackages && outside.length > 0) {
    throw new Error(`${output} is not one file: it imports ${outside.join(', ')}`);
  }
  const bytes = chunks.reduce((sum, { code }) => sum + Buffer.byteLength(code), 0);
  process.stdout.write(`${name}: ${output} (${Math.ceil(bytes / 1024)} KiB)\n`);
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(programs);
for (const name of names) {
  const program = programs[name];
  if (program === undefined) {
    process.stderr.write(`no program ${name}; there are ${Object.keys(programs).join(', ')}\n`);
    process.exit(2);
  }
  await rm(join(root, program.options.dir ?? program.output), { recursive: true, force: true });
  await buildProgram(name, program);
}
if (names.includes('server')) {
  await cp(join(root, 'prisma'), join(root, serverFolder, 'prisma'), { recursive: true });
}
