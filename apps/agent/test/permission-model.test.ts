import { constants, watch } from 'node:fs';
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { builtProgram } from '@sallyport/testkit/built-programs';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { health, type Health } from '../src/local-api/health.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { askSocket, enrollWith, until, type Enrolled } from './harness.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let running: TestProcess | undefined;
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('name', 'kept');
  enrolled = await enrollWith(double);
  await mkdir(own('settings'));
  await mkdir(own('sockets'));
  await settings({});
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  await double.stop();
  await enrolled.home.remove();
  await expectNoLeftovers();
});

const own = (name: string) => join(enrolled.home.path, name);
const socket = () => own('sockets/agent.sock');
const ask = (path: string) => askSocket(socket(), path);
const valueOf = async (name: string) => JSON.parse((await ask(`/v1/secrets/${name}`)).body).value;
const readHealth = async (): Promise<Health> =>
  health.parse(JSON.parse((await ask('/healthz')).body));

const settings = (more: Record<string, unknown>): Promise<void> =>
  writeFile(own('settings/agent.yaml'), JSON.stringify({ stateDir: enrolled.stateDir, ...more }));

/** Node's options that docs/packages.md shows, with folders of this test in the place of those of a host. */
async function permissions(): Promise<string[]> {
  const page = await readFile(join(import.meta.dirname, '../../../docs/packages.md'), 'utf8');
  const [command = ''] = /^node --permission[^]*?sallyport-agent\.mjs/m.exec(page) ?? [];
  const folders = {
    '/etc/sallyport': own('settings'),
    '/var/lib/sallyport-agent': own('state'),
    '/run/sallyport': own('sockets'),
  };
  const shown = Object.entries(folders).reduce(
    (text, [folder, mine]) => text.replaceAll(`=${folder}`, `=${mine}`),
    command,
  );
  return shown.match(/--\S+/g) ?? [];
}

async function run(...more: string[]): Promise<TestProcess> {
  const program = [builtProgram('agent'), 'run', '--config', own('settings/agent.yaml')];
  running = startProcess({
    command: [
      process.execPath,
      ...(await permissions()),
      ...more,
      ...program,
      '--socket',
      socket(),
    ],
  });
  await running.waitForLine(/"listening"/);
  return running;
}

const delivered = () =>
  until(async () => (await readHealth()).durable.revision === double.group.revision);

describe('[SG-36] under Node’s permission model, with what the page gives it', () => {
  test('which is little', async () => {
    expect(await permissions()).toEqual([
      '--permission',
      ...['settings', 'state', 'sockets'].map((name) => `--allow-fs-read=${own(name)}`),
      ...['state', 'sockets'].map((name) => `--allow-fs-write=${own(name)}`),
      '--allow-net',
    ]);
  });

  test('the agent keeps what it is delivered, and serves it after a start without a control plane', async () => {
    const first = await run();
    await delivered();
    await double.stop();
    first.kill('SIGKILL');
    await first.exited;
    await run();
    expect(await valueOf('name')).toBe('kept');
  });

  test('it reads the files of references that it was given, and no others', async () => {
    const [given, other] = [own('given'), own('other')];
    for (const directory of [given, other]) {
      await mkdir(directory);
      await writeFile(join(directory, 'value'), 'of a file');
    }
    await settings({ references: { file: { directories: [given, other] } } });
    double.putReference('given', `file://${given}/value`);
    double.putReference('other', `file://${other}/value`);
    await run(`--allow-fs-read=${given}`, '--allow-fs-read=/proc');
    await delivered();
    expect(await valueOf('given')).toBe('of a file');
    expect(JSON.parse((await ask('/v1/secrets/other')).body)).toMatchObject({
      code: 'reference.denied',
      detail: expect.stringContaining('--allow-fs-read= its directory'),
    });
  });

  test('it starts no program but where it may', async () => {
    await settings({
      references: { exec: { commands: { hello: { argv: ['/bin/echo', 'hello'] } } } },
    });
    double.putReference('hello', 'exec://hello');
    const { stop } = await run();
    await delivered();
    expect(JSON.parse((await ask('/v1/secrets/hello')).body)).toMatchObject({
      code: 'reference.denied',
      detail: expect.stringContaining('--allow-child-process'),
    });
    await stop();
    await run('--allow-child-process');
    expect(await valueOf('hello')).toBe('hello');
  });

  test('it writes a certificate’s file of its own, and none for others, which it says', async () => {
    double.putCertificate('web', { chain: 'CHAIN', key: 'KEY' });
    const file = (mode: string) => ({ certificate: 'web', file: own(`state/${mode}.pem`), mode });
    await settings({ certificateFiles: [file('0600'), file('0640')] });
    const { stderr } = await run();
    await delivered();
    await until(async () =>
      (await readHealth()).files.every(({ version, error }) => version ?? error),
    );
    expect((await readHealth()).files).toMatchObject([
      { path: own('state/0600.pem'), version: 1, error: null },
      { path: own('state/0640.pem'), version: null, error: 'file.unusable' },
    ]);
    expect(stderr.join()).toContain('leave its mode at 0600');
    expect(await readFile(own('state/0600.pem'), 'utf8')).toBe('KEYCHAIN');
    expect((await readdir(own('state'))).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('it locks its keys in memory where it may call the C library, and says so where not', async () => {
    const { stop } = await run('--allow-ffi');
    expect((await readHealth()).memory).toMatchObject({ locked: true, reason: null });
    await stop();
    await run();
    expect((await readHealth()).memory).toMatchObject({
      locked: false,
      reason: expect.stringContaining('--allow-ffi'),
    });
  });
});

describe('[SG-36] a file that is written where nothing can be synced', () => {
  const WRITER = `
const [module, file, rounds] = process.argv.slice(1);
const { writeFileAtomically } = await import(module);
for (let round = 0; round < rounds; round += 1) await writeFileAtomically(file, String(round));`;

  const write = (rounds: number) => {
    const module = import.meta.resolve('../src/state/atomic-file.ts');
    const permitted = ['--permission', '--allow-fs-read=*', `--allow-fs-write=${own('state')}`];
    const evaluate = ['--input-type=module', '--eval', WRITER, '--'];
    const given = [module, own('state/written'), String(rounds)];
    return startProcess({ command: [process.execPath, ...permitted, ...evaluate, ...given] });
  };

  /** Whether a process has a file of this name open, and each write to it is on the disk when it is done. */
  async function isSynchronous(pid: number, name: string): Promise<boolean> {
    const files = await readdir(`/proc/${pid}/fd`);
    const looks = files.map(async (fd) => {
      if (!(await readlink(`/proc/${pid}/fd/${fd}`)).includes(name)) return false;
      const info = await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
      const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(info)?.[1] ?? '', 8);
      return (flags & constants.O_SYNC) === constants.O_SYNC;
    });
    const looked = await Promise.allSettled(looks);
    return looked.some((look) => look.status === 'fulfilled' && look.value);
  }

  test('is on the disk when its last write is done', async () => {
    const writer = write(Infinity);
    await until(async () => {
      // So that the file is not closed between two looks at it.
      writer.kill('SIGSTOP');
      const found = await isSynchronous(writer.pid, 'state/written');
      writer.kill('SIGCONT');
      return found;
    });
    await writer.stop();
  });

  test('is written to once more when it has its name', async () => {
    const events: string[] = [];
    const watcher = watch(own('state'), (kind, name) => void events.push(`${kind} ${name}`));
    await write(1).exited;
    await until(() => events.at(-1) === 'change written');
    expect(events.indexOf('rename written')).toBeLessThan(events.lastIndexOf('change written'));
    expect(events).toContain('rename written');
    watcher.close();
  });
});
