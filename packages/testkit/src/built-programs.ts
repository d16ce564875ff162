import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../../..');
const cache = join(root, 'node_modules/.cache');
const built = { agent: 'sallyport-agent.mjs', cli: 'sallyport.mjs' };
const beside = 'sallyport-agent-aws.mjs';

/** The agent and the CLI as they are shipped, one file each: a story starts a hundred, in a third of the time. */
export function builtProgram(name: 'agent' | 'cli'): string {
  return join(cache, built[name]);
}

let building: Promise<void> | undefined;

/** Builds both from the sources as they are, once for all kinds of tests in a run. */
export function buildPrograms(): Promise<void> {
  return (building ??= build());
}

/** Each is put in place whole, since another run may be starting it. */
async function build(): Promise<void> {
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'build-'));
  try {
    const command = [join(root, 'tools/build.ts'), '--into', folder, ...Object.keys(built)];
    await promisify(execFile)(process.execPath, command);
    for (const file of [...Object.values(built), beside])
      await rename(join(folder, file), join(cache, file));
  } finally {
    await rm(folder, { recursive: true });
  }
}
