import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { agentCommand, runAgent } from './run-agent.ts';
import { runningAgent, type RunningAgent } from './running-agent.ts';

let agent: RunningAgent;
let folder: string;
let count = 0;

beforeAll(async () => {
  agent = await runningAgent((double) => {
    double.putSecret('db/password', 'pä$$ "word"');
    double.putSecret('db/login', '{"user":"shop"}');
    double.putSecret('with-nul', 'a\0b');
  });
});
beforeEach(async () => {
  folder = join(agent.enrolled.home.path, `files-${(count += 1)}`);
  await mkdir(folder);
});
afterAll(async () => {
  await agent.end();
  await expectNoLeftovers();
});

const exec = (files: readonly string[], ...command: string[]) =>
  runAgent([
    ...['exec', '--socket', agent.enrolled.socket],
    ...files.flatMap((file) => ['--file', file]),
    ...['--', ...command],
  ]);

describe('[SG-18] exec --file', () => {
  test('has the value in a file of its owner while the command runs, and removes it afterwards', async () => {
    const file = join(folder, 'password');
    const copies = ['password', 'user', 'nul'].map((name) => `cp -p "${join(folder, name)}" "$0"`);
    const kept = join(folder, 'kept');
    await mkdir(kept);
    const { code, stderr } = await exec(
      [
        `${file}=secret:db/password`,
        `${join(folder, 'user')}=secret:db/login#user`,
        `${join(folder, 'nul')}=secret:with-nul`,
      ],
      ...['sh', '-c', `${copies.join('; ')}; exit 7`, kept],
    );
    expect({ code, stderr }).toEqual({ code: 7, stderr: '' });
    expect(await readFile(join(kept, 'password'), 'utf8')).toBe('pä$$ "word"');
    expect(await readFile(join(kept, 'user'), 'utf8')).toBe('shop');
    expect(await readFile(join(kept, 'nul'), 'utf8')).toBe('a\0b');
    expect((await stat(join(kept, 'password'))).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['kept']);
  });

  test('replaces a file that is there, relative to the working directory', async () => {
    await writeFile(join(folder, 'old'), 'old', { mode: 0o644 });
    const ran = startProcess({
      command: [
        ...[...agentCommand, 'exec', '--socket', agent.enrolled.socket, '--no-mask'],
        ...['--file', 'old=secret:db/password', '--', 'sh', '-c', 'cat old; stat -c " %a" old'],
      ],
      cwd: folder,
    });
    expect(await ran.exited).toEqual({ code: 0, signal: null });
    expect(ran.stdout).toEqual(['pä$$ "word" 600']);
    expect(await readdir(folder)).toEqual([]);
  });

  test('is removed when a signal ends the command', async () => {
    const file = join(folder, 'password');
    const ran = startProcess({
      command: [
        ...[...agentCommand, 'exec', '--socket', agent.enrolled.socket],
        ...['--file', `${file}=secret:db/password`],
        ...['--', 'sh', '-c', 'test -s "$0" && echo there; exec tail -f /dev/null', file],
      ],
    });
    await ran.waitForLine(/there/);
    ran.kill('SIGTERM');
    expect(await ran.exited).toEqual({ code: 143, signal: null });
    expect(await readdir(folder)).toEqual([]);
  });

  test.each([
    ['a folder', (path: string) => mkdir(path)],
    ['a link', (path: string) => symlink('/dev/null', path)],
  ])('does not start the command where %s is in its place, and leaves that', async (_, put) => {
    const path = join(folder, 'there');
    await put(path);
    const first = join(folder, 'first');
    const outcome = await exec(
      [`${first}=secret:db/password`, `${path}=secret:db/password`],
      ...['touch', join(folder, 'started')],
    );
    expect(outcome).toMatchObject({ code: 1, stderr: expect.stringContaining('no regular file') });
    expect(await readdir(folder)).toEqual(['there']);
  });

  test('removes the others where the command put something else in the place of one', async () => {
    const [first, second] = [join(folder, 'first'), join(folder, 'second')];
    const outcome = await exec(
      [`${first}=secret:db/password`, `${second}=secret:db/password`],
      ...['sh', '-c', `rm "${first}" && mkdir "${first}"`],
    );
    expect(outcome).toMatchObject({ code: 1, stderr: expect.stringContaining('be removed') });
    expect(await readdir(folder)).toEqual(['first']);
  });

  test.each([
    ['is of another form', ['FOLDER/a=db/password'], 2, 'PATH=secret:'],
    ['names a folder', ['FOLDER/=secret:db/password'], 2, 'PATH=secret:'],
    ['is there twice', ['FOLDER/a=secret:db/login', 'FOLDER/./a=secret:db/password'], 2, 'once'],
    ['names no secret that is there', ['FOLDER/a=secret:nowhere'], 3, 'nowhere: '],
    ['is in no folder', ['FOLDER/none/a=secret:db/password'], 1, 'cannot be written (ENOENT)'],
  ])('that %s starts nothing', async (_, files, code, message) => {
    const outcome = await exec(
      files.map((file) => file.replace('FOLDER', folder)),
      ...['touch', join(folder, 'started')],
    );
    expect(outcome).toEqual({ code, stdout: '', stderr: expect.stringContaining(message) });
    expect(await readdir(folder)).toEqual([]);
  });
});
