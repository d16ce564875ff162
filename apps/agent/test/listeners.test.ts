import { once } from 'node:events';
import { linkSync, lstatSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { lstat, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readAgentConfig } from '../src/config.ts';
import { ownershipOf } from '../src/files/ownership.ts';
import { localApiSettings } from '../src/local-api-settings.ts';
import { listenOnSocket } from '../src/local-api/claim-socket.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import {
  askSocket,
  enrollWith,
  responseTo,
  startDaemon,
  until,
  type Enrolled,
  type TestDaemon,
} from './harness.ts';
import { runAgent } from './run-agent.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestDaemon;
let own: string;

beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'of the database');
  double.putSecret('api/key', 'of another program');
  double.putPlugin('rate-limit', { perSecond: 5 });
  double.putPlugin('gateway', { port: 1 });
  double.putPlugin('db/limits', { perSecond: 1 });
  enrolled = await enrollWith(double);
  own = join(enrolled.home.path, 'database.sock');
  daemon = await startDaemon({
    ...enrolled,
    certificateFiles: [
      { certificate: 'web', file: join(enrolled.home.path, 'web.pem'), mode: '0600' },
    ],
    localApi: localApiSettings.parse({
      sockets: [
        { path: own, mode: '0660', allow: { secrets: ['db/*'], configs: ['rate-limit'] } },
        { path: join(enrolled.home.path, 'nothing.sock') },
      ],
    }),
  });
  await daemon.untilHealth(({ status }) => status === 'ready');
});
afterAll(async () => {
  await daemon.stop();
  await double.stop();
  await enrolled.home.remove();
});

const problemAt = async (path: string) => {
  const { status, body } = await askSocket(own, path);
  const { requestId: _, ...problem } = JSON.parse(body);
  return { status, problem };
};

describe('[SG-38] a further socket', () => {
  test('has its own mode, and serves what it allows', async () => {
    expect((await stat(own)).mode & 0o777).toBe(0o660);
    const { status, body } = await askSocket(own, '/v1/secrets/db/password');
    expect({ status, ...JSON.parse(body) }).toMatchObject({
      status: 200,
      value: 'of the database',
    });
    expect((await askSocket(own, '/v1/config/rate-limit')).status).toBe(200);
  });

  test.each(['/v1/secrets/api/key', '/v1/config/gateway', '/v1/certificates/web'])(
    'refuses %s, which it does not allow',
    async (path) => {
      expect(await problemAt(path)).toMatchObject({
        status: 403,
        problem: {
          code: 'request.not_allowed',
          detail: expect.stringMatching(/add it to allow\./),
        },
      });
    },
  );

  test('tells nothing of what is there and not allowed', async () => {
    expect(await problemAt('/v1/secrets/api/key')).toEqual(await problemAt('/v1/secrets/no/such'));
  });

  test('says of no configuration that may not be read there that it has the name of a secret', async () => {
    const known = await daemon.ask('/v1/secrets/db/limits');
    expect(JSON.parse(known.body).detail).toContain('but a configuration');
    expect(await problemAt('/v1/secrets/db/limits')).toEqual(await problemAt('/v1/secrets/db/no'));
  });

  test('[SG-25] tells exec which of the secrets it is that may not be read there', async () => {
    const given = ['--env', 'A=secret:db/password', '--env', 'B=secret:api/key'];
    expect(await runAgent(['exec', '--socket', own, ...given, '--', 'true'])).toEqual({
      code: 13,
      stdout: '',
      stderr: expect.stringContaining('api/key: programs may not read a secret of this name here'),
    });
  });

  test('lists what may be read there, and the agent’s own socket everything', async () => {
    const namesAt = async (socket: string, path: string) =>
      JSON.parse((await askSocket(socket, path)).body).items.map(
        ({ name }: { name: string }) => name,
      );
    expect(await namesAt(own, '/v1/secrets')).toEqual(['db/password']);
    expect(await namesAt(own, '/v1/config')).toEqual(['rate-limit']);
    expect(await namesAt(enrolled.socket, '/v1/secrets')).toEqual(['db/password', 'api/key']);
    expect(await namesAt(join(enrolled.home.path, 'nothing.sock'), '/v1/secrets')).toEqual([]);
  });

  test('[SG-25] whose list is empty has list say so, beside what a program reads', async () => {
    const nothing = join(enrolled.home.path, 'nothing.sock');
    expect(await runAgent(['list', '--socket', nothing])).toEqual({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/^sallyport-agent: nothing is delivered that may be read here/),
    });
    expect(await runAgent(['list', '--socket', own])).toMatchObject({ code: 0, stderr: '' });
  });

  test('tells watchers of no change to what may not be read there', async () => {
    const sent = request({ socketPath: own, path: '/v1/watch', agent: false });
    sent.end();
    const [stream]: IncomingMessage[] = await once(sent, 'response');
    let heard = '';
    stream?.setEncoding('utf8').on('data', (text: string) => (heard += text));
    double.putSecret('api/key', 'another');
    double.putSecret('db/password', 'another');
    await until(() => heard.includes(`"revision":${double.group.revision}}`));
    sent.destroy();
    expect(heard).toContain('db/password');
    expect(heard).not.toContain('api/key');
  });

  test('tells in its health of what may be read there, and of no other file or value', async () => {
    const at = async (socket: string) => JSON.parse((await askSocket(socket, '/healthz')).body);
    expect(await at(own)).toMatchObject({ status: 'ready', entries: 2, files: [] });
    expect(await at(enrolled.socket)).toMatchObject({
      entries: 5,
      files: [{ certificate: 'web' }],
    });
  });

  test('[AT-48] tells in its metrics of the whole agent, and names nothing that it holds', async () => {
    await askSocket(enrolled.socket, '/v1/secrets/api/key');
    const { body } = await askSocket(own, '/metrics');
    expect(body).toMatch(/^sallyport_agent_entries 5$/m);
    expect(body).toContain('resource="secrets"');
    expect(body).not.toMatch(/api\/key|db\/|gateway|rate-limit|web/);
  });

  test('whose programs watch and do not read holds up no other', async () => {
    const nothing = join(enrolled.home.path, 'nothing.sock');
    const watch = (socketPath: string) =>
      responseTo(request({ socketPath, path: '/v1/watch', agent: false }));
    const watchers = await Promise.all(Array.from({ length: 16 }, () => watch(nothing)));
    expect((await askSocket(nothing, '/v1/watch')).status).toBe(503);
    const elsewhere = [await watch(own), await watch(enrolled.socket)];
    expect(elsewhere.map(({ statusCode }) => statusCode)).toEqual([200, 200]);
    for (const watcher of [...watchers, ...elsewhere]) watcher.destroy();
  });

  test('goes when the agent stops', async () => {
    const path = join(enrolled.home.path, 'second.sock');
    const other = await enrollWith(double, 'web-2');
    const second = await startDaemon({
      ...other,
      localApi: localApiSettings.parse({ sockets: [{ path }] }),
    });
    expect((await lstat(path)).isSocket()).toBe(true);
    await second.stop();
    await expect(lstat(path)).rejects.toThrow('ENOENT');
    await other.home.remove();
  });

  test('that cannot be made leaves none of the others open', async () => {
    const other = await enrollWith(double, 'web-3');
    const [first, taken] = [join(other.home.path, 'first.sock'), join(other.home.path, 'taken')];
    await writeFile(taken, 'precious');
    const localApi = localApiSettings.parse({ sockets: [{ path: first }, { path: taken }] });
    await expect(startDaemon({ ...other, localApi })).rejects.toMatchObject({
      code: 'socket.unusable',
    });
    for (const path of [first, other.socket]) await expect(lstat(path)).rejects.toThrow('ENOENT');
    await other.home.remove();
  });
});

/** Only root may give a file away. */
const asRoot = process.getuid?.() === 0 && process.platform === 'linux';
(asRoot ? describe : describe.skip)('[SG-38] the owner of a socket (as root on Linux)', () => {
  const access = { mode: 0o660, ownership: { user: 12_345, group: 23_456 } };
  let home: string;
  beforeAll(async () => {
    home = join(enrolled.home.path, 'owned');
    await mkdir(home);
  });

  test('is set before anybody can use it, and its mode then', async () => {
    const path = join(home, 'owned.sock');
    const server = createServer();
    let modeAtBirth: number | undefined;
    server.once('listening', () => {
      modeAtBirth = lstatSync(path).mode & 0o777;
    });
    await listenOnSocket(server, path, access);
    const { uid, gid, mode } = await lstat(path);
    server.close();
    expect({ uid, gid, mode: mode & 0o777, modeAtBirth }).toEqual({
      uid: 12_345,
      gid: 23_456,
      mode: 0o660,
      modeAtBirth: 0,
    });
  });

  test.each([
    ['a link to another socket', symlinkSync],
    ['another socket of the same user', linkSync],
  ])('is given %s that took the place of the socket meanwhile: nothing', async (_, put) => {
    const [path, victim] = [join(home, 'swapped.sock'), join(home, 'victim.sock')];
    const other = createServer();
    await listenOnSocket(other, victim, { mode: 0o600 });
    const server = createServer();
    server.once('listening', () => {
      rmSync(path);
      put(victim, path);
    });
    await expect(listenOnSocket(server, path, access)).rejects.toMatchObject({
      code: 'socket.unusable',
    });
    const { uid, mode } = await stat(victim);
    other.close();
    await rm(path, { force: true });
    expect({ uid, mode: mode & 0o777, listening: server.listening }).toEqual({
      uid: 0,
      mode: 0o600,
      listening: false,
    });
  });
});

test('[SG-38] two sockets at one path are refused, also where one is the agent’s own', () => {
  const file = join(enrolled.home.path, 'agent.yaml');
  const read = (path: string, socket: string) => {
    writeFileSync(file, `localApi: { sockets: [{ path: ${path} }] }`, { mode: 0o600 });
    return () => readAgentConfig({ socket }, { SALLYPORT_AGENT_CONFIG: file });
  };
  expect(read('/run/x/../app.sock', '/run/app.sock')).toThrow(
    'two sockets have the path /run/app.sock',
  );
  expect(read('/run/app.sock', '/run/agent.sock')).not.toThrow();
});

test('[SG-38] an account is looked up by name, and one that is not there is refused', () => {
  expect(ownershipOf({}, 'localApi.sockets')).toBeUndefined();
  expect(ownershipOf({ owner: 7, group: 'root' }, 'localApi.sockets')).toEqual({
    user: 7,
    group: 0,
  });
  expect(ownershipOf({ owner: 'root' }, 'localApi.sockets')).toEqual({ user: 0, group: undefined });
  expect(() => ownershipOf({ owner: 'nobody-of-this-name' }, 'localApi.sockets')).toThrow(
    'there is no user nobody-of-this-name in /etc/passwd',
  );
});
