import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { licencesOf } from './licences.ts';
import { bundleOneFile } from './one-file.ts';

const run = promisify(execFile);

/** An executable, and the licences of all that is in it. */
export type Executable = { path: string; licences: string; stripped: boolean };

/**
 * Makes the agent one executable, which brings its Node along: the Node that runs this, without its symbols where
 * `strip` is there. The same sources, Node and `strip` give the same bytes.
 */
export async function buildExecutable(into: string): Promise<Executable> {
  // Below the target, to be renamed into it; paths within are relative, as they end up in the bytes.
  const work = await mkdtemp(join(into, 'executable-'));
  try {
    // CommonJS, since Node keeps compiled code of that alone: it starts in two thirds of the time.
    const chunks = await bundleOneFile({
      input: 'apps/agent/src/main.ts',
      output: join(work, 'sallyport-agent.cjs'),
      format: 'cjs',
    });
    const stripped = await copyNode(join(work, 'node'));
    await writeFile(join(work, 'sea.json'), JSON.stringify(seaConfig));
    // Else what is compiled is hashed by another number each time.
    await run(process.execPath, ['--random-seed=1', '--build-sea', 'sea.json'], { cwd: work });
    const path = join(into, 'sallyport-agent');
    await chmod(join(work, 'sallyport-agent'), 0o755);
    await rename(join(work, 'sallyport-agent'), path);
    return {
      path,
      licences: await licencesOf(chunks.flatMap((chunk) => chunk.moduleIds)),
      stripped,
    };
  } finally {
    await rm(work, { recursive: true });
  }
}

const seaConfig = {
  main: 'sallyport-agent.cjs',
  mainFormat: 'commonjs',
  executable: 'node',
  output: 'sallyport-agent',
  useCodeCache: true,
  disableExperimentalSEAWarning: true,
  // No inspector by a signal, and nothing that an environment could add to the program (NODE_OPTIONS).
  execArgv: ['--disable-sigusr1', '--disable-warning=ExperimentalWarning'],
  execArgvExtension: 'none',
};

async function copyNode(to: string): Promise<boolean> {
  try {
    await run('strip', ['-o', to, process.execPath]);
    return true;
  } catch {
    await copyFile(process.execPath, to);
    return false;
  }
}
