import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { localApiSettings } from '../src/local-api-settings.ts';
import { admitUser } from '../src/local-api/users.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import {
  askSocket,
  enrollWith,
  startDaemon,
  until,
  type Enrolled,
  type TestDaemon,
} from './harness.ts';
import { askAs, asUser, whyNoOtherUser } from './other-user.ts';
import { agentCommand, runAgentProcess } from './run-agent.ts';

const LISTED = 12_345;
const ANOTHER = 12_346;

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let socket: string;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'of the database');
  double.putSecret('api/key', 'of another program');
  enrolled = await enrollWith(double);
  // Else other users could not even reach the socket.
  await chmod(enrolled.home.path, 0o755);
  socket = join(enrolled.home.path, 'shop.sock');
});
afterAll(async () => {
  await double.stop();
  await enrolled.home.remove();
  await expectNoLeftovers();
});

const withUsers = (...users: (string | number)[]) =>
  localApiSettings.parse({
    sockets: [{ path: socket, mode: '0666', users, allow: { secrets: ['db/*'] } }],
  });

/** As /etc/passwd has it. */
async function accountOf(name: string): Promise<{ uid: number }> {
  const line = (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .find((each) => each.startsWith(`${name}:`));
  return { uid: Number(line?.split(':')[2]) };
}

const why = whyNoOtherUser();
const describeAsUsers = why === undefined ? describe : describe.skip;

describeAsUsers(
  titleOrLeftOut('[SG-38] [SG-46] a socket for the programs of listed users', why),
  () => {
    let daemon: TestDaemon;
    beforeAll(async () => {
      daemon = await startDaemon({ ...enrolled, localApi: withUsers(LISTED, 'daemon') });
      await daemon.untilHealth(({ status }) => status === 'ready');
    });
    afterAll(() => daemon.stop());

    test('tells who may not use a socket at all where it is said who may, for either kind of socket', async () => {
      const get = [...agentCommand, 'get', 'db/password', '--socket', enrolled.socket];
      const asking = startProcess({ command: [...asUser(LISTED), ...get] });
      expect(await asking.exited).toEqual({ code: 4, signal: null });
      expect(asking.output()).toMatch(
        /may not use the socket .* — .*socketMode .* mode, owner and group in localApi\.sockets$/,
      );
    });

    test('answers them, whether they are listed by number or by name', async () => {
      const { uid } = await accountOf('daemon');
      for (const user of [LISTED, uid])
        expect(await askAs(user, socket, '/v1/secrets/db/password')).toMatchObject({
          status: 200,
          body: expect.stringContaining('of the database'),
          closes: false,
        });
    });

    test('still keeps from them what is not allowed there', async () => {
      const { status, body } = await askAs(LISTED, socket, '/v1/secrets/api/key');
      expect([status, JSON.parse(body).code]).toEqual([403, 'request.not_allowed']);
    });

    test.each([
      '/v1/secrets/db/password',
      '/v1/secrets',
      '/v1/watch',
      '/healthz',
      '/metrics',
      '/none',
    ])('refuses any other at %s, says whose program that was, and hangs up', async (path) => {
      const { status, body, closes } = await askAs(ANOTHER, socket, path);
      expect({ status, closes }).toEqual({ status: 403, closes: true });
      expect(JSON.parse(body)).toMatchObject({
        code: 'request.user_refused',
        detail: expect.stringContaining(`programs of user ${ANOTHER} may not ask`),
      });
    });

    test('refuses root too, which is not listed', async () => {
      expect((await askSocket(socket, '/healthz')).status).toBe(403);
    });

    test('tells of the refusal in the log, with the process, once in a while', () => {
      const told = daemon.log.filter(({ code }) => code === 'request.user_refused');
      expect(told).toEqual([
        expect.objectContaining({
          level: 'warn',
          path: socket,
          peerUid: expect.any(Number),
          peerPid: expect.any(Number),
        }),
      ]);
    });

    test('has programs that are refused keep no listed one out, however many connections they hold', async () => {
      const held: Socket[] = [];
      for (let count = 0; count < 600; count += 1) {
        const connection = connect({ path: socket }).on('error', () => {});
        await once(connection, 'connect');
        held.push(connection);
      }
      expect((await askAs(LISTED, socket, '/v1/secrets/db/password')).status).toBe(200);
      for (const connection of held) connection.destroy();
    });

    test('[SG-46] names in the log, at level debug, which program a request was of', async () => {
      const { pid } = await askAs(LISTED, socket, '/v1/secrets/db/password');
      expect(daemon.log).toContainEqual({
        level: 'debug',
        message: 'answered',
        requestId: expect.any(String),
        status: 200,
        peerPid: pid,
        peerUid: LISTED,
        peerGid: LISTED,
      });
    });
  },
);

const testAsUsers = why === undefined ? test : test.skip;
testAsUsers(
  titleOrLeftOut(
    '[SG-46] [SG-15] what is read, and refused, is told with the process whose it was',
    why,
  ),
  async () => {
    const daemon = await startDaemon({ ...enrolled, localApi: withUsers(LISTED) });
    await daemon.untilHealth(({ status }) => status === 'ready');
    const [reader, stranger] = [
      await askAs(LISTED, socket, '/v1/secrets/db/password'),
      await askAs(ANOTHER, socket, '/v1/secrets/db/password'),
    ];
    await daemon.stop();
    // What was not told yet is told after the next start.
    await using _again = await startDaemon(enrolled);
    const told = () => double.reports.flatMap(({ events }) => events);
    const of = (pid: number | undefined) => told().find((event) => event.application?.pid === pid);
    await until(() => of(reader.pid) !== undefined && of(stranger.pid) !== undefined);
    expect(of(reader.pid)).toMatchObject({
      action: 'value:read',
      application: { listener: socket, uid: LISTED, gid: LISTED },
    });
    expect(of(stranger.pid)).toMatchObject({
      action: 'value:refuse',
      code: 'request.user_refused',
      application: { listener: socket, uid: ANOTHER, gid: ANOTHER },
    });
  },
);

describe('[SG-38] users of a socket', () => {
  test('are refused where the host has none of that name', async () => {
    await expect(
      startDaemon({ ...enrolled, localApi: withUsers('nobody-of-this-name') }),
    ).rejects.toMatchObject({
      code: 'usage.invalid',
      message: 'there is no user nobody-of-this-name in /etc/passwd',
    });
  });

  test('are not the number that stands for whoever the kernel cannot tell in a container', async () => {
    await expect(startDaemon({ ...enrolled, localApi: withUsers(65_534) })).rejects.toMatchObject({
      code: 'usage.invalid',
    });
  });

  test('are at least one, and are no negative numbers', () => {
    for (const users of [[], [-1], [''], ['a b']])
      expect(localApiSettings.safeParse({ sockets: [{ path: '/run/a', users }] }).success).toBe(
        false,
      );
  });

  test('let in no program of which nothing is known', () => {
    expect(() => admitUser(new Set([0]), undefined)).toThrow(
      expect.objectContaining({ code: 'request.user_refused' }),
    );
    expect(() => admitUser(new Set([0]), { pid: 1, uid: 0, gid: 0 })).not.toThrow();
  });
});

describe('[SG-38] [SG-33] a Node that cannot call the C library', () => {
  const env = () => ({
    SALLYPORT_AGENT_STATE_DIR: enrolled.stateDir,
    SALLYPORT_AGENT_SOCKET: enrolled.socket,
    NODE_OPTIONS: '--no-experimental-ffi',
  });

  test('is refused by a socket that names users, in one line', async () => {
    const file = join(enrolled.home.path, 'agent.yaml');
    await writeFile(file, `localApi: { sockets: [{ path: ${socket}, users: [0] }] }`, {
      mode: 0o600,
    });
    const { code, stderr } = await runAgentProcess(['run', '--config', file], env());
    expect(code).toBe(8);
    expect(stderr).toContain(`cannot tell which users’ programs ask at ${socket}`);
  });

  test('serves all the same without, and says what there is not', async () => {
    const agent = startProcess({ command: [...agentCommand, 'run'], env: env() });
    await agent.waitForLine(/"listening"/);
    const { body } = await askSocket(enrolled.socket, '/healthz');
    expect(JSON.parse(body)).toMatchObject({
      peerCredentials: false,
      memory: {
        locked: false,
        dumpable: true,
        reason: 'this Node cannot call the C library of this host',
      },
    });
    const { stdout } = await runAgentProcess(['status'], env());
    expect(stdout).toMatch(/^memory +keys are not locked: this Node cannot call/m);
    expect(stdout).toMatch(/^programs +this host does not tell whose they are$/m);
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
  });
});
