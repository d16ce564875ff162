import { afterAll, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess } from '../src/process.ts';
import { createTempDirectory } from '../src/temp.ts';

afterAll(expectNoLeftovers);

const node = (script: string) => [process.execPath, '-e', script];
const untilStopped = 'setInterval(() => {}, 1000); console.log("ready " + process.pid)';

describe('a process under test', () => {
  test('is found by a line it has said, and by one that it will say', async () => {
    const child = startProcess({
      command: node(`${untilStopped}; setTimeout(() => console.error("later"), 50)`),
    });
    const match = await child.waitForLine(/^ready (\d+)$/);
    expect(Number(match[1])).toBe(child.pid);
    expect((await child.waitForLine(/^ready (\d+)$/)).input).toBe(match.input);
    await child.waitForLine(/^later$/);
    expect(child).toMatchObject({ stdout: [match.input], stderr: ['later'] });
    expect(child.output()).toBe(`${match.input}\nlater`);
    expect(await child.stop()).toEqual({ code: null, signal: 'SIGTERM' });
  });

  test('that ends, or is silent for too long, fails the wait and quotes its last lines', async () => {
    const ended = startProcess({ command: node('console.log("goodbye"); process.exitCode = 3') });
    await expect(ended.waitForLine(/never/)).rejects.toThrow(/the process ended[^]*goodbye/);
    expect(await ended.exited).toEqual({ code: 3, signal: null });

    const silent = startProcess({ command: node(untilStopped) });
    await expect(silent.waitForLine(/never/, 20)).rejects.toThrow('20 ms passed');
    await silent.stop();
  });

  test('gets the environment it is given, PATH, HOME and a compile cache, and nothing else of ours', async () => {
    await using home = await createTempDirectory();
    const printed =
      'console.log(Object.keys(process.env).sort().join()); console.log(process.env.HOME)';
    const child = startProcess({
      command: node(printed),
      env: { COLOUR: 'green', HOME: home.path },
    });
    await child.exited;
    expect(child.stdout).toEqual(['COLOUR,HOME,NODE_COMPILE_CACHE,PATH', home.path]);
  });

  test('reads what it is handed', async () => {
    const child = startProcess({
      command: node('process.stdin.pipe(process.stdout)'),
      input: 'by hand\n',
    });
    await child.exited;
    expect(child.stdout).toEqual(['by hand']);
  });

  test('that cannot be started says so', () => {
    expect(() => startProcess({ command: ['/nonexistent/program'] })).toThrow(
      '/nonexistent/program could not be started',
    );
  });

  test('that a test leaves running is ended, and reported', async () => {
    const child = startProcess({ command: [...node(untilStopped), 'forgotten'] });
    await child.waitForLine(/ready/);
    await expect(expectNoLeftovers()).rejects.toThrow(/left running: .*forgotten/);
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
    await expectNoLeftovers();
  });
});
