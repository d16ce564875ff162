import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { agentConfig } from '../../src/config.ts';
import { until } from '../harness.ts';
import { asUser, whyNoOtherUser } from '../other-user.ts';
import { Guarded } from './guarded.ts';

let home: TempDirectory;
let open: string;
let guarded: Guarded | undefined;
beforeEach(async () => {
  home = await createTempDirectory('own');
  open = join(home.path, 'open');
  await mkdir(open);
  await writeFile(join(home.path, 'closed'), 'canary');
  await writeFile(join(open, 'value'), 'of the file');
});
afterEach(async () => {
  await guarded?.[Symbol.asyncDispose]();
  guarded = undefined;
  await home.remove();
});

const errorOf = (read: Promise<string>) =>
  read.then(
    (value) => ({ value }),
    (error: unknown) => error,
  );

function withFiles(): Guarded {
  const directories = [join(home.path, 'not-made-yet'), open];
  return (guarded = new Guarded({ settings: { file: { directories } }, env: {} }));
}

type Command = { argv: string[]; timeoutSeconds?: number; environment?: Record<string, string> };

function withCommand(command: Command): Guarded {
  const settings = { exec: { commands: { own: command } } };
  return (guarded = new Guarded({ settings, env: { CANARY: 'of the agent' } }));
}

const sh = (script: string, more: Partial<Command> = {}) =>
  withCommand({ argv: ['/bin/sh', '-c', script], ...more });

describe('[AT-13] a file', () => {
  test('is read by way of links that stay inside, as orchestrators make them', async () => {
    await mkdir(join(open, '..2026'));
    await rename(join(open, 'value'), join(open, '..2026/value'));
    await symlink('..2026', join(open, '..data'));
    await symlink('..data/value', join(open, 'value'));
    expect(await withFiles().read(`file://${open}/value`)).toBe('of the file');
  });

  test('is read without the line end that an editor writes, and with any other', async () => {
    await writeFile(join(open, 'value'), 'a\n\nb\n\n');
    expect(await withFiles().read(`file://${open}/value`)).toBe('a\n\nb\n');
    await writeFile(join(open, 'value'), 'a\r\n');
    expect(await withFiles().read(`file://${open}/value`)).toBe('a');
  });

  test.each([
    ['beside the directory', () => 'closed'],
    ['whose directory only begins with the same name', () => 'open-to-others'],
    ['by a link that leads out', () => 'open/link'],
    ['by a directory that is a link and leads out', () => 'open/dir/closed'],
  ])('%s is refused, and not read', async (_, at) => {
    await symlink('../closed', join(open, 'link'));
    await symlink('..', join(open, 'dir'));
    await writeFile(join(home.path, 'open-to-others'), 'canary');
    const error = await errorOf(withFiles().read(`file://${join(home.path, at())}`));
    expect(error).toMatchObject({ code: 'reference.denied' });
    expect(String(error)).not.toContain(home.path);
  });

  test('outside is refused whether it is there or not', async () => {
    const [there, missing] = await Promise.all(
      ['closed', 'missing'].map((name) =>
        errorOf(withFiles().read(`file://${join(home.path, name)}`)),
      ),
    );
    expect(String(there)).toBe(String(missing));
  });

  test('outside is refused whether it is there or not, by links as well', async () => {
    await symlink('../closed', join(open, 'there'));
    await symlink('../missing', join(open, 'missing'));
    await symlink('..', join(open, 'up'));
    await symlink('inside', join(open, 'dangling'));
    const files = withFiles();
    const found = (name: string) => errorOf(files.read(`file://${open}/${name}`)).then(String);
    const outside = await found('there');
    for (const name of ['missing', 'up/closed', 'up/missing', 'up/no/folder'])
      expect(await found(name)).toBe(outside);
    for (const name of ['dangling', 'none', 'no/folder'])
      expect(await found(name)).toMatch(/is not there/);
  });

  test('is read while another is put in its place', async () => {
    const files = withFiles();
    let isOver = false;
    const replace = async () => {
      while (!isOver) {
        await writeFile(join(open, 'next'), 'of the file');
        await rename(join(open, 'next'), join(open, 'value'));
      }
    };
    const replacing = replace();
    for (let count = 0; count < 300; count += 1)
      expect(await errorOf(files.read(`file://${open}/value`))).toEqual({ value: 'of the file' });
    isOver = true;
    await replacing;
  });

  test('that is a pipe or a folder is refused at once', async () => {
    await promisify(execFile)('mkfifo', [join(open, 'pipe')]);
    expect(await errorOf(withFiles().read(`file://${open}/pipe`))).toMatchObject({
      code: 'reference.failed',
      message: expect.stringContaining('is no file'),
    });
    await mkdir(join(open, 'folder'));
    expect(await errorOf(withFiles().read(`file://${open}/folder`))).toMatchObject({
      code: 'reference.failed',
    });
  });

  test('that is no text is refused', async () => {
    await writeFile(join(open, 'value'), Buffer.of(0xff, 0xfe, 0x00));
    expect(await errorOf(withFiles().read(`file://${open}/value`))).toMatchObject({
      code: 'reference.failed',
      message: expect.stringContaining('UTF-8'),
    });
  });

  test('is not read from the root directory', () => {
    const parse = (directory: string) =>
      agentConfig.safeParse({ references: { file: { directories: [directory] } } }).success;
    for (const path of ['/', '//', '/.', '/run/..', 'relative']) expect(parse(path)).toBe(false);
    expect(parse('/run/secrets')).toBe(true);
  });
});

const EXEC = new URL('../../src/references/exec.ts', import.meta.url).href;
const noOtherUser = whyNoOtherUser();
const testAsUser = noOtherUser === undefined ? test : test.skip;

describe('[AT-13] a command', () => {
  test('runs with its arguments as they stand, in an environment of its own', async () => {
    const agent = withCommand({
      argv: ['/usr/bin/env', '--', '/bin/sh', '-c', 'printf %s "$*"; env', 'sh', '$(id) ; x'],
      environment: { GIVEN: 'yes' },
    });
    const printed = await agent.read('exec://own');
    expect(printed).toContain('$(id) ; x');
    expect(printed).toContain('GIVEN=yes');
    expect(printed).not.toContain('CANARY');
    expect(printed).not.toContain('NODE_OPTIONS');
  });

  test('that hangs is killed with all that it started', async () => {
    const pid = join(home.path, 'pid');
    const agent = sh(`sleep 600 & echo $! > ${pid}; wait`, { timeoutSeconds: 1 });
    expect(await errorOf(agent.read('exec://own'))).toMatchObject({
      code: 'reference.failed',
      message: expect.stringContaining('within 1 s'),
      retryable: false,
    });
    await untilGone(pid);
  });

  test('that leaves something running is answered, and what it left is killed', async () => {
    const pid = join(home.path, 'pid');
    const agent = sh(`sleep 600 & echo $! > ${pid}; echo value`);
    expect(await agent.read('exec://own')).toBe('value');
    await untilGone(pid);
  });

  test('that leaves something in a session of its own is answered, and the next one, too', async () => {
    const pid = join(home.path, 'pid');
    const agent = sh(
      `setsid sh -c 'echo $$ > ${pid}; exec sleep 600' & until [ -s ${pid} ]; do :; done; echo value`,
    );
    for (let count = 0; count < 2; count += 1) {
      expect(await errorOf(agent.read('exec://own'))).toEqual({ value: 'value' });
      process.kill(Number(await readFile(pid, 'utf8')), 'SIGKILL');
      await writeFile(pid, '');
    }
  });

  testAsUser(
    titleOrLeftOut('that runs as another user and hangs does not end the agent', noOtherUser),
    async () => {
      const [setuid, script, pid] = ['setuid', 'ask.mjs', 'pid'].map((name) =>
        join(home.path, name),
      );
      if (setuid === undefined || script === undefined || pid === undefined) throw new Error();
      await chmod(home.path, 0o755);
      await copyFile('/usr/bin/setpriv', setuid);
      await chmod(setuid, 0o4755);
      await writeFile(pid, '');
      const argv = [setuid, '--reuid=0', 'sh', '-c', `echo $$ > ${pid}; exec sleep 600`];
      await writeFile(
        script,
        `const { CommandProvider } = await import(${JSON.stringify(EXEC)});
        const own = { argv: ${JSON.stringify(argv)}, timeoutSeconds: 1, environment: {} };
        const reference = { scheme: 'exec', command: 'own' };
        const signal = new AbortController().signal;
        await new CommandProvider({ own }).resolve(reference, signal).catch(({ message }) => console.log(message));`,
      );
      const [program, ...args] = [...asUser(12_345), process.execPath, script];
      const { stdout } = await promisify(execFile)(program, args);
      const left = Number(await readFile(pid, 'utf8'));
      expect(left).toBeGreaterThan(1);
      process.kill(left, 'SIGKILL');
      expect(stdout).toContain('did not end within 1 s');
    },
  );

  test('that prints without end is stopped, and nothing of it is used', async () => {
    expect(await errorOf(sh('yes canary').read('exec://own'))).toMatchObject({
      code: 'reference.failed',
      message: expect.stringContaining('too much'),
    });
  });

  test('that fails is told by its exit code; what it printed is neither used nor quoted', async () => {
    const error = await errorOf(sh('echo canary; echo canary >&2; exit 3').read('exec://own'));
    expect(error).toMatchObject({
      code: 'reference.failed',
      message: expect.stringContaining('ended with 3'),
    });
    expect(JSON.stringify([error, String(error)])).not.toContain('canary');
  });

  test.each([
    ['is not there', 'none'],
    ['may not be run', 'value'],
  ])('that %s is told', async (_, program) => {
    expect(
      await errorOf(withCommand({ argv: [join(open, program)] }).read('exec://own')),
    ).toMatchObject({
      code: 'reference.failed',
      message: expect.stringContaining('cannot be run'),
    });
  });

  test('cannot be named by a path, nor by a property that every object has', async () => {
    for (const uri of ['exec://constructor', 'exec://__proto__', 'exec:///bin/id'])
      expect(await errorOf(sh('echo canary').read(uri))).toMatchObject({
        code: expect.stringMatching(/^reference\.(denied|invalid)$/),
      });
  });

  test('has to end before the program that waits for it is sent away, by default too', () => {
    const parse = (more: Record<string, number>, timeoutSeconds = 10) => {
      const exec = { commands: { own: { argv: ['/bin/true'], ...more } } };
      return agentConfig.safeParse({ references: { exec, timeoutSeconds } }).success;
    };
    expect([parse({}), parse({ timeoutSeconds: 9 })]).toEqual([true, true]);
    expect([parse({ timeoutSeconds: 10 }), parse({}, 5)]).toEqual([false, false]);
  });

  test('begins with an absolute path', () => {
    const parse = (program: string) =>
      agentConfig.safeParse({ references: { exec: { commands: { own: { argv: [program] } } } } });
    expect([parse('id').success, parse('/usr/bin/id').success]).toEqual([false, true]);
  });
});

describe('[AT-13] what is not set up', () => {
  test.each(['vault://a/b#c', 'aws-sm://a', 'azure-kv://a/b', 'k8s://a/b/c', 'env://A'])(
    '%s resolves nothing',
    async (uri) => {
      expect(await errorOf(withFiles().read(uri))).toMatchObject({
        code: 'reference.not_configured',
      });
    },
  );

  test('not even a file, a variable or a command, by default', async () => {
    guarded = new Guarded({ settings: {}, env: { PATH: 'canary' } });
    for (const uri of ['file:///etc/hostname', 'env://PATH', 'exec://id'])
      expect(await errorOf(guarded.read(uri))).toMatchObject({ code: 'reference.not_configured' });
  });
});

async function untilGone(pidFile: string): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8'));
  expect(pid).toBeGreaterThan(1);
  await until(async () => {
    // One that nobody waits for stays as a zombie.
    const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
    return /\) Z/.test(state);
  });
}
