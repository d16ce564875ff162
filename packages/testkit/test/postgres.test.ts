import { chmod, readdir } from 'node:fs/promises';
import { afterAll, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess, type TestProcess } from '../src/process.ts';
import { createTempDirectory } from '../src/temp.ts';

afterAll(expectNoLeftovers);

const startAndWait = `
  import { startTestPostgres } from '${new URL('../src/postgres.ts', import.meta.url).href}';
  const { source, adminUrl, stop } = await startTestPostgres();
  process.once('SIGTERM', stop);
  const alive = setInterval(() => {}, 1000);
  process.once('SIGTERM', () => clearInterval(alive));
  // Last: whoever reads this line may send the signal at once.
  console.log(source, adminUrl);
`;

function startRun(env: Record<string, string>) {
  return startProcess({
    command: [process.execPath, '--input-type=module-typescript', '-e', startAndWait],
    env: { DOCKER_HOST: 'unix:///nonexistent/docker.sock', ...env },
  });
}

const folderOf = ({ pid }: TestProcess) =>
  expect.stringMatching(new RegExp(`^sallyport-postgres-${pid}-`));

describe('Postgres for tests', () => {
  test('is the one supplied', async () => {
    const run = startRun({ TEST_DATABASE_URL: 'postgresql://supplied/postgres' });
    await run.waitForLine(/^supplied postgresql:\/\/supplied\/postgres$/);
    await run.stop();
  });

  test('without any is the embedded one; what a killed run leaves behind is gone with the next', async () => {
    await using folder = await createTempDirectory();
    await chmod(folder.path, 0o711);
    const killed = startRun({ TMPDIR: folder.path });
    await killed.waitForLine(/^embedded postgresql:/);
    killed.kill('SIGKILL');
    await killed.exited;
    expect(await readdir(folder.path)).toEqual([folderOf(killed)]);

    const next = startRun({ TMPDIR: folder.path });
    await next.waitForLine(/^embedded postgresql:/);
    expect(await readdir(folder.path)).toEqual([folderOf(next)]);
    expect(await next.stop()).toEqual({ code: 0, signal: null });
    expect(await readdir(folder.path)).toEqual([]);
  });
});
