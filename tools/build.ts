import { readFileSync } from 'node:fs';
import { chmod, cp, rm } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { rolldown, type OutputChunk } from 'rolldown';
import { z } from 'zod';
import { bundleOneFile, isBuiltin, isNpmPackage, root, type Beside } from './packages/one-file.ts';

/**
 * `node tools/build.ts [--into FOLDER] [agent|cli|server]…` bundles the three programs, into dist/ by default.
 * The agent and the CLI are one file each and need Node only; what the agent loads for AWS alone is another,
 * beside it. The server is a folder that keeps the repository's layout, as it finds its migrations by it; its npm dependencies stay outside, since argon2,
 * Prisma and the API pages load native, WebAssembly and static files of their own. Install them beside
 * it: `pnpm --filter @sallyport/control-plane --prod --config.node-linker=hoisted deploy FOLDER`.
 */
interface Program {
  /** Where it is started. */
  readonly output: string;
  /** What is replaced as a whole; by default the output. */
  readonly folder?: string;
  bundle(): Promise<OutputChunk[]>;
  /** A module that is loaded late, if at all, from a file of its own beside the output. */
  readonly beside?: Beside;
}

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

const oneFile = (input: string, output: string, beside?: Beside): Program => ({
  output,
  bundle: () =>
    bundleOneFile({ input, output, beside, format: 'esm', banner: refuseOlderNode(output) }),
  ...(beside === undefined ? {} : { beside }),
});
const programs: Record<string, Program> = {
  agent: oneFile('apps/agent/src/main.ts', join(into, 'sallyport-agent.mjs'), {
    module: 'apps/agent/src/references/aws-sdk.ts',
    output: join(into, 'sallyport-agent-aws.mjs'),
  }),
  cli: oneFile('apps/cli/src/main.ts', join(into, 'sallyport.mjs')),
  server: {
    output: join(serverFolder, 'apps/control-plane/src/main.mjs'),
    folder: serverFolder,
    bundle: bundleServer,
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

async function bundleServer(): Promise<OutputChunk[]> {
  const build = await rolldown({
    cwd: root,
    input: 'apps/control-plane/src/main.ts',
    platform: 'node',
    external: (id) => isBuiltin(id) || isNpmPackage(id),
  });
  const { output } = await build.write({
    dir: serverFolder,
    preserveModules: true,
    preserveModulesRoot: root,
    entryFileNames: '[name].mjs',
    format: 'esm',
  });
  await build.close();
  return output.filter((part) => part.type === 'chunk');
}

async function build(name: string, { output, folder = output, bundle, beside }: Program) {
  await rm(folder, { recursive: true, force: true });
  const chunks = await bundle();
  await chmod(output, 0o755);
  const bytes = chunks.reduce((sum, { code }) => sum + Buffer.byteLength(code), 0);
  process.stdout.write(`${name}: ${relative(root, output)} (${Math.ceil(bytes / 1024)} KiB)\n`);
  if (beside !== undefined)
    await build(`${name}, beside it`, oneFile(beside.module, beside.output));
}

const names = positionals.length > 0 ? positionals : Object.keys(programs);
for (const name of names) {
  const program = programs[name];
  if (program === undefined) {
    process.stderr.write(`no program ${name}; there are ${Object.keys(programs).join(', ')}\n`);
    process.exit(2);
  }
  await build(name, program);
}
if (names.includes('server')) {
  await cp(join(root, 'prisma'), join(serverFolder, 'prisma'), { recursive: true });
}
