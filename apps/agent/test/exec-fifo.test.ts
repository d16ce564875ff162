import { execFileSync } from 'node:child_process';
import { chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers } from '@sallyport/testkit/process';
import { until } from './harness.ts';
import { runAgent } from './run-agent.ts';
import { runningAgent, type RunningAgent } from './running-agent.ts';

const why = process.getuid?.() === 0 ? undefined : 'only root gives pipes away';
const testAsRoot = why === undefined ? test : test.skip;
const LONG = `${'0123456789abcdef'.repeat(4_000)}end`;
let agent: RunningAgent;
let folder: string;
let count = 0;
beforeAll(async () => {
  agent = await runningAgent((double) => {
    double.putSecret('db/password', 'correct "horse"\n');
    double.putSecret('long', LONG);
    double.lending.lend('db/root', { value: 'for-a-while', ttlSeconds: 60, maxUses: null });
  });
});
beforeEach(async () => {
  folder = join(agent.enrolled.home.path, `fifo-${(count += 1)}`);
  await mkdir(folder);
});
afterAll(async () => {
  await agent.end();
  await expectNoLeftovers();
});

const exec = (options: string[], script: string) =>
  runAgent([
    ...['exec', '--no-mask', '--socket', agent.enrolled.socket, ...options],
    ...['--', 'sh', '-c', `cd ${folder}; ${script}`],
  ]);
const reads = async () =>
  Number(
    /resource="secrets",status="200"\} (\d+)/.exec((await agent.daemon.ask('/metrics')).body)?.[1],
  );
const leasesTaken = () =>
  agent.double.received.filter(({ path }) => path === '/agent/v1/leases').length;
const kept = (name: string) => join(folder, name);
const text = (name: string) => readFile(kept(name), 'utf8');

describe('[SG-18] exec --fifo', () => {
  test('gives each who opens the pipe the whole value, and leaves nothing', async () => {
    const pipe = `${kept('pipe')}=secret:db/password`;
    const script = 'cat pipe > one; cat pipe > two; stat -c "%F %a" pipe > kind; exit 7';
    expect(await exec(['--fifo', pipe], script)).toMatchObject({ code: 7, stderr: '' });
    for (const name of ['one', 'two']) expect(await text(name)).toBe('correct "horse"\n');
    expect(await text('kind')).toBe('fifo 600\n');
    expect((await readdir(folder)).toSorted()).toEqual(['kind', 'one', 'two']);
  });

  test('gives a value that is longer than a pipe holds to a reader that takes its time', async () => {
    const script = 'head -c 5 pipe > head; { sleep 0.2; wc -c; } < pipe > size';
    expect((await exec(['--fifo', `${kept('pipe')}=secret:long`], script)).code).toBe(0);
    expect(await text('head')).toBe('01234');
    expect((await text('size')).trim()).toBe(String(LONG.length));
  });

  test('gives the value of the moment after a change', async () => {
    const pipe = `${kept('pipe')}=secret:changing`;
    agent.double.putSecret('changing', 'before');
    await agent.delivered();
    const script =
      'cat pipe > one; touch read; while [ "$(cat pipe)" = before ]; do :; done; cat pipe > two';
    const options = ['--fifo', pipe, '--on-change', 'signal:SIGCONT', '--debounce', '0'];
    const ended = exec(options, script);
    await until(() => stat(kept('read')).then(Boolean, () => false));
    agent.double.putSecret('changing', 'after');
    expect((await ended).code).toBe(0);
    expect([await text('one'), await text('two')]).toEqual(['before', 'after']);
  });

  test('keeps nobody waiting for a reader that does not read', async () => {
    const script = 'exec 3< pipe; cat pipe | wc -c > size; exec 3<&-';
    expect((await exec(['--fifo', `${kept('pipe')}=secret:long`], script)).code).toBe(0);
    expect((await text('size')).trim()).toBe(String(LONG.length));
  });

  test('goes on where somebody has removed the pipe that is next', async () => {
    const script = 'rm .pipe.*; cat pipe > one; cat pipe > two; exit 7';
    const ended = await exec(['--fifo', `${kept('pipe')}=secret:db/password`], script);
    expect(ended).toMatchObject({ code: 7, stderr: '' });
    for (const name of ['one', 'two']) expect(await text(name)).toBe('correct "horse"\n');
    expect((await readdir(folder)).toSorted()).toEqual(['one', 'two']);
  });

  test('lets go of a reader while no pipe can take the place of its own, and gives it the value afterwards', async () => {
    const script =
      'next=$(echo .pipe.*); rm "$next"; mkdir "$next"; cat pipe > one; rmdir "$next"; cat pipe > two; exit 7';
    const ended = await exec(['--fifo', `${kept('pipe')}=secret:db/password`], script);
    expect(ended).toMatchObject({ code: 7, stderr: '' });
    expect([await text('one'), await text('two')]).toEqual(['', 'correct "horse"\n']);
    expect((await readdir(folder)).toSorted()).toEqual(['one', 'two']);
  });

  testAsRoot(
    titleOrLeftOut('gives nothing to a pipe of another user that takes its place', why),
    async () => {
      const foreign = kept('foreign');
      execFileSync('sh', ['-c', 'mkfifo "$0"', foreign]);
      await chown(foreign, 12_345, 12_345);
      const script = 'mv foreign pipe; cat pipe > one';
      await exec(['--fifo', `${kept('pipe')}=secret:db/password`], script);
      expect(await text('one')).toBe('');
    },
  );

  test('takes the place of nothing, and starts nothing then', async () => {
    await writeFile(kept('file'), 'there');
    const refused = await exec(['--fifo', `${kept('file')}=secret:db/password`], 'touch ran');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('remove it') });
    const nowhere = await exec(['--fifo', `${kept('no/pipe')}=secret:db/password`], 'touch ran');
    expect(nowhere.stderr).toContain('mkfifo');
    const inFile = await exec(['--fifo', `${kept('file/pipe')}=secret:db/password`], 'touch ran');
    expect(inFile).toMatchObject({ code: 1, stderr: expect.stringContaining('mkfifo') });
    expect(await readdir(folder)).toEqual(['file']);
  });
});

describe('[SG-32] exec with a secret that is lent out', () => {
  test('takes it for as long as the command runs', async () => {
    const script = 'echo "$ROOT" > seen';
    expect(await exec(['--env', 'ROOT=lease:db/root'], script)).toMatchObject({ code: 0 });
    expect(await text('seen')).toBe('for-a-while\n');
    await until(() => agent.double.lending.open.size === 0);
  });

  test('takes another one for a command that is started anew', async () => {
    agent.double.putSecret('changing', 'before');
    await agent.delivered();
    const script =
      'printf "%s" "$ROOT" > "seen-$CHANGING"; [ "$CHANGING" = after ] || exec sleep 30';
    const ended = exec(
      [
        '--env',
        'ROOT=lease:db/root',
        '--env',
        'CHANGING=secret:changing',
        '--on-change',
        'restart',
        '--debounce',
        '0',
      ],
      script,
    );
    await until(() => stat(kept('seen-before')).then(Boolean, () => false));
    agent.double.lending.lend('db/root', { value: 'newer', ttlSeconds: 60, maxUses: null });
    agent.double.putSecret('changing', 'after');
    expect((await ended).code).toBe(0);
    expect(await text('seen-after')).toBe('newer');
    agent.double.lending.lend('db/root', { value: 'for-a-while', ttlSeconds: 60, maxUses: null });
  });

  test('keeps it when a value is written again that is the same', async () => {
    for (const name of ['kept', 'changing']) agent.double.putSecret(name, 'before');
    await agent.delivered();
    const script = 'echo "$CHANGING" >> starts; [ "$CHANGING" = after ] || exec sleep 30';
    const ended = exec(
      [
        ...['--env', 'ROOT=lease:db/root', '--env', 'KEPT=secret:kept'],
        ...['--env', 'CHANGING=secret:changing', '--on-change', 'restart', '--debounce', '0'],
      ],
      script,
    );
    await until(() => stat(kept('starts')).then(Boolean, () => false));
    const asked = await reads();
    const taken = leasesTaken();
    agent.double.putSecret('kept', 'before');
    await until(async () => (await reads()) >= asked + 2);
    agent.double.putSecret('changing', 'after');
    expect((await ended).code).toBe(0);
    expect(leasesTaken()).toBe(taken + 1);
    expect(await text('starts')).toBe('before\nafter\n');
  });

  test('beside others, in the order in which they were asked for', async () => {
    const options = ['--env', 'ROOT=lease:db/root', '--env', 'PASSWORD=secret:db/password'];
    await exec(options, 'printf "%s|%s" "$ROOT" "$PASSWORD" > seen');
    expect(await text('seen')).toBe('for-a-while|correct "horse"\n');
  });

  test('starts nothing where none is lent, and gives back what it took', async () => {
    const options = ['--env', 'A=lease:db/root', '--env', 'B=lease:nowhere'];
    const refused = await exec(options, 'touch ran');
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('nowhere') });
    expect(await readdir(folder)).toEqual([]);
    await until(() => agent.double.lending.open.size === 0);
  });

  test.each([
    ['a field of it', ['--env', 'A=lease:db/root#user'], 'no fields'],
    ['what follows its changes', ['--env', 'A=lease:db/root', '--on-change', 'restart'], 'no use'],
    [
      'two values in one variable',
      ['--env', 'A=lease:db/root', '--env', 'A=secret:long'],
      'two --env',
    ],
  ])('refuses %s', async (_, options, told) => {
    const refused = await exec(options, 'touch ran');
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(told) });
  });
});
