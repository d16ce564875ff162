import { randomUUID } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { localApiSettings } from '../src/local-api-settings.ts';
import { lentReply } from '../src/local-api/replies.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import {
  askSocket,
  enrollWith,
  startDaemon,
  until,
  type Enrolled,
  type TestDaemon,
} from './harness.ts';
import { runAgent } from './run-agent.ts';

const CANARY = 'canary-"of a lease"-3e';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestDaemon;
let narrow: string;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.lending.lend('db/root', { value: CANARY, ttlSeconds: 60, maxUses: null });
  double.lending.lend('db/shared', { value: CANARY, ttlSeconds: 60, maxUses: null });
  double.lending.lend('db/once', { value: CANARY, ttlSeconds: 60, maxUses: 1 });
  enrolled = await enrollWith(double);
  narrow = join(enrolled.home.path, 'narrow.sock');
  const sockets = [{ path: narrow, allow: { secrets: ['db/once', 'db/shared'] } }];
  daemon = await startDaemon({ ...enrolled, localApi: localApiSettings.parse({ sockets }) });
  await daemon.untilHealth(({ status }) => status === 'ready');
});
afterAll(async () => {
  await daemon.stop();
  await double.stop();
  await enrolled.home.remove();
});

const post = (path: string, body: unknown = {}, socket = enrolled.socket) =>
  askSocket(socket, path, { method: 'POST', body: JSON.stringify(body) });
const taken = async (secret: string) => {
  const reply = await post('/v1/leases', { secret });
  return lentReply.parse(JSON.parse(reply.body));
};
const codeOf = ({ body }: { body: string }) => String(JSON.parse(body).code);

describe('a program', () => {
  test('[AT-14] has nothing of a leased secret asked for before it asks', () => {
    expect(double.requestsTo('/agent/v1/leases')).toEqual([]);
    expect(double.lending.open.size).toBe(0);
  });

  test('takes a lease, reads it again, renews it and gives it back', async () => {
    const reply = await post('/v1/leases', { secret: 'db/root', ttlSeconds: 30 });
    expect(reply.status).toBe(201);
    const lent = lentReply.parse(JSON.parse(reply.body));
    expect(lent).toMatchObject({ secret: 'db/root', version: 1, value: CANARY, usesLeft: null });
    const path = `/v1/leases/${lent.id}`;
    expect(JSON.parse((await daemon.ask(path)).body)).toEqual(lent);
    const renewed = await post(`${path}/renew`);
    expect(renewed.status).toBe(200);
    expect(renewed.body).not.toContain('canary');
    expect((await daemon.ask(path, { method: 'DELETE' })).status).toBe(204);
    expect(await daemon.ask(path)).toMatchObject({ status: 410 });
    await until(() => !double.lending.open.has(lent.id));
  });

  test('[SG-27] reads a lease for one use once: a second time it is gone', async () => {
    const lent = await taken('db/once');
    expect(lent).toMatchObject({ value: CANARY, usesLeft: 0 });
    const again = await daemon.ask(`/v1/leases/${lent.id}`);
    expect({ status: again.status, code: codeOf(again) }).toEqual({
      status: 410,
      code: 'lease.used_up',
    });
  });

  test('[SG-03] is named to the control plane, with the id of its request', async () => {
    const headers = { 'x-request-id': 'request-of-a-program' };
    const body = JSON.stringify({ secret: 'db/once' });
    const reply = await daemon.ask('/v1/leases', { method: 'POST', headers, body });
    expect(reply.headers['x-request-id']).toBe('request-of-a-program');
    const sent = double.requestsTo('/agent/v1/leases').map((request) => request.body);
    expect(sent.join()).toContain('"requestId":"request-of-a-program"');
    expect(sent.join()).toContain(`"listener":"${enrolled.socket}"`);
  });

  test('that hangs up before its lease arrives has it given back', async () => {
    double.lending.open.clear();
    const { promise, resolve } = Promise.withResolvers<void>();
    double.lending.gate = promise;
    const { socket: socketPath } = enrolled;
    const sent = request({ socketPath, path: '/v1/leases', method: 'POST' });
    sent.on('error', () => {}).end(JSON.stringify({ secret: 'db/root' }));
    await until(() => double.lending.open.size === 1);
    sent.destroy();
    await daemon.ask('/healthz');
    resolve();
    await until(() => double.lending.open.size === 0);
    double.lending.gate = undefined;
  });

  test('is told at once when an operator ends its lease', async () => {
    const lent = await taken('db/root');
    await until(() => double.waitingPulls > 0);
    double.endLease(lent.id);
    const reply = await until(async () => {
      const { status, body } = await daemon.ask(`/v1/leases/${lent.id}`);
      return status === 410 && body;
    });
    expect(reply).toContain('lease.ended');
  });

  test('takes and reads nothing that is not for its socket', async () => {
    const other = await taken('db/root');
    for (const reply of [
      await post('/v1/leases', { secret: 'db/root' }, narrow),
      await post('/v1/leases', { secret: 'nowhere' }, narrow),
    ])
      expect({ status: reply.status, code: codeOf(reply) }).toEqual({
        status: 403,
        code: 'request.not_allowed',
      });
    const headers = { 'x-request-id': 'same' };
    const foreign = await askSocket(narrow, `/v1/leases/${other.id}`, { headers });
    const absent = await askSocket(narrow, `/v1/leases/${randomUUID()}`, { headers });
    expect(foreign.body).toBe(absent.body);
    expect({ status: foreign.status, code: codeOf(foreign) }).toEqual({
      status: 404,
      code: 'lease.not_found',
    });
    expect((await post('/v1/leases', { secret: 'db/once' }, narrow)).status).toBe(201);
  });

  test('[SG-06] has nothing of a lease that was taken at another socket, though either may have the secret', async () => {
    const { id } = await taken('db/shared');
    const path = `/v1/leases/${id}`;
    for (const reply of [
      await askSocket(narrow, path),
      await post(`${path}/renew`, {}, narrow),
      await askSocket(narrow, path, { method: 'DELETE' }),
    ])
      expect({ status: reply.status, code: codeOf(reply) }).toEqual({
        status: 404,
        code: 'lease.not_found',
      });
    expect((await daemon.ask(path)).status).toBe(200);
  });

  test.each([
    ['no JSON', '{"secret": "canary', 400, 'request.invalid'],
    ['a field that is not known', '{"secret":"db/root","canary":1}', 400, 'request.invalid'],
    ['no time', '{"secret":"db/root","ttlSeconds":0}', 400, 'request.invalid'],
    ['too much', JSON.stringify({ secret: 'canary'.repeat(1000) }), 400, 'request.invalid'],
    ['a secret that is not there', '{"secret":"nowhere"}', 404, 'secret.not_found'],
  ])('that asks with %s is told so, without what it sent', async (_, body, status, code) => {
    const reply = await daemon.ask('/v1/leases', { method: 'POST', body });
    expect({ status: reply.status, code: codeOf(reply) }).toEqual({ status, code });
    expect(reply.body).not.toContain('canary');
  });

  test.each([0, 86_401, 1.5, 'canary'])(
    'that asks for a time that is none (%s) is told which there are',
    async (ttlSeconds) => {
      const reply = await post('/v1/leases', { secret: 'db/root', ttlSeconds });
      expect({ status: reply.status, body: JSON.parse(reply.body) }).toMatchObject({
        status: 400,
        body: {
          detail: expect.stringContaining(
            'ttlSeconds: use a whole number of seconds, from 1 to 86400',
          ),
        },
      });
    },
  );

  test('that asks in another way is told which there is', async () => {
    const reply = await daemon.ask('/v1/leases');
    expect({ status: reply.status, allow: reply.headers.allow }).toEqual({
      status: 405,
      allow: 'POST',
    });
    const lent = await taken('db/root');
    expect((await post(`/v1/leases/${lent.id}`)).headers.allow).toBe('GET, DELETE');
    expect((await daemon.ask('/v1/leases/canary')).status).toBe(404);
  });

  test('[SG-05] gets none while the control plane is gone, and reads those that it has', async () => {
    const lent = await taken('db/root');
    await double.stop();
    const refused = await post('/v1/leases', { secret: 'db/root' });
    expect({ status: refused.status, code: codeOf(refused) }).toEqual({
      status: 503,
      code: 'lease.unavailable',
    });
    expect((await daemon.ask(`/v1/leases/${lent.id}`)).status).toBe(200);
    await double.start();
  });
});

describe('sallyport-agent lease', () => {
  const run = (...args: string[]) =>
    runAgent(['lease', ...args, '--socket', enrolled.socket, '--state-dir', enrolled.stateDir]);

  test('prints the value, and beside it the lease, which is read, renewed and returned by its id', async () => {
    const take = await run('take', 'db/root', '--ttl', '20');
    expect({ code: take.code, stdout: take.stdout }).toEqual({ code: 0, stdout: CANARY });
    const id = /lease ([0-9a-f-]{36}), until /.exec(take.stderr)?.[1] ?? '';
    expect((await run('read', id)).stdout).toBe(CANARY);
    expect((await run('renew', id)).stdout).toMatch(/^it lasts until \d/);
    expect((await run('return', id)).stdout).toBe('the lease is over\n');
    expect(await run('read', id)).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringContaining('take another one'),
    });
  });

  test('refuses what cannot be a name, an id or a time, before it asks', async () => {
    for (const args of [
      ['take', '../x'],
      ['read', 'canary'],
      ['take', 'db/root', '--ttl', 'long'],
    ]) {
      const { code, stderr } = await run(...args);
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.not.stringContaining('canary') });
    }
  });

  test('tells which times there are, of whatever is none', async () => {
    for (const ttl of ['0', '86401', '99999', '1.5', '1e3', '']) {
      const { code, stderr } = await run('take', 'db/root', '--ttl', ttl);
      expect({ ttl, code, stderr }).toEqual({
        ttl,
        code: 2,
        stderr: expect.stringContaining('use 1 to 86400'),
      });
    }
    expect(await run('take', 'db/root', '--ttl', '86400')).toMatchObject({ code: 0 });
  });
});

test('[SG-10] [AT-12] no value of a lease is in the agent’s log, and none on its disk', async () => {
  expect(JSON.stringify(daemon.log)).toContain('lease taken');
  expect(JSON.stringify(daemon.log)).not.toContain('canary');
  // What it writes beside a file and renames would be gone before it is read.
  await daemon.stop();
  const names = await readdir(enrolled.stateDir, { recursive: true });
  const files = await Promise.all(names.map((name) => readText(join(enrolled.stateDir, name))));
  expect(files.join()).toContain('encryptionKey');
  expect(files.join()).not.toContain('canary');
});

/** Nothing for a directory. */
async function readText(path: string): Promise<string> {
  return (await stat(path)).isFile() ? readFile(path, 'latin1') : '';
}
