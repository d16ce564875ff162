import { copyFile, link, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { HttpsLink } from '@sallyport/tls/https-link';
import { Agent } from '../src/agent.ts';
import { systemClock } from '../src/clock.ts';
import { importIdentity } from '../src/state/identity.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { Refusal } from './double/authority.ts';
import { enrollWith, startDaemon, until, type Enrolled, type TestDaemon } from './harness.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestDaemon;

beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'first');
  enrolled = await enrollWith(double);
  daemon = await startDaemon(enrolled);
  await daemon.untilSecret('db/password', 'first');
  await until(() => double.waitingPulls === 1);
});

afterEach(async () => {
  await daemon.stop();
  await double.stop();
  await enrolled.home.remove();
});

const inState = (name: string) => join(enrolled.stateDir, name);
/** But for audit events that wait: the one that was there before may have told of its start. */
const files = async () =>
  (await readdir(enrolled.stateDir)).filter((name) => name !== 'events').toSorted();

describe('[F-11] revoked while its pull waits, the agent', () => {
  test('wipes memory and disk within five seconds, stays up and says so', async () => {
    const startedAt = performance.now();
    double.revoke(enrolled.identity.agentId);
    await daemon.untilHealth(({ status }) => status === 'revoked');
    await until(async () => (await files()).length === 2);
    expect(performance.now() - startedAt).toBeLessThan(5000);
    await daemon.untilHealth(({ durable }) => durable.revision === null && durable.bytes === 0);

    expect(await files()).toEqual(['lock', 'revoked.json']);
    const { status, body } = await daemon.ask('/v1/secrets/db/password');
    const { code, detail } = JSON.parse(body);
    expect({ status, code }).toEqual({ status: 403, code: 'agent.revoked' });
    const lease = { method: 'POST', body: '{"secret":"db/password"}' };
    for (const refused of [
      await daemon.ask('/v1/secrets'),
      await daemon.ask('/v1/watch'),
      await daemon.ask('/v1/leases', lease),
    ])
      expect([refused.status, refused.body]).toEqual([403, expect.stringContaining(code)]);
    const report = await daemon.ask('/healthz');
    expect(report.status).toBe(503);
    const told = JSON.parse(report.body);
    expect(told).toMatchObject({ status: 'revoked', revision: 0, entries: 0 });
    // It still has its directory and its sockets: nobody can enrol there before it is stopped.
    const logged = daemon.log.map(({ message }) => message).join('\n');
    for (const text of [detail, told.controlPlane.lastError.advice, logged])
      expect(text).toContain('stop the agent, enrol it again with a new enrollment token');
  });

  test('is given nothing more', async () => {
    double.revoke(enrolled.identity.agentId);
    await daemon.untilHealth(({ status }) => status === 'revoked');
    const { length } = double.received;
    double.putSecret('db/password', 'after');
    const own = new HttpsLink({ baseUrl: double.url, ca: double.ca });
    for (let trip = 0; trip < 10; trip += 1) await own.request('GET', '/');
    own.close();
    const asked = double.received.slice(length).map(({ path }) => path);
    expect(asked.filter((path) => path !== '/')).toEqual([]);
    expect(await daemon.secret('db/password')).toBeUndefined();
  });

  test('asks for nothing more, however long it runs', async () => {
    await daemon.stop();
    const trust = { baseUrl: double.url, ca: double.ca };
    const agent = new Agent({
      identity: await importIdentity(enrolled.identity),
      link: new HttpsLink(trust),
      // Hours pass in no time: what would be asked again later is asked again at once.
      clock: { ...systemClock, sleep: () => new Promise((resolve) => void setImmediate(resolve)) },
    });
    const own = new HttpsLink(trust);
    try {
      agent.start();
      await until(() => double.waitingPulls === 1);
      double.revoke(enrolled.identity.agentId);
      await until(() => agent.isRevoked);
      const { length } = double.received;
      for (let trip = 0; trip < 10; trip += 1) await own.request('GET', '/');
      const paths = double.received.slice(length).map(({ path }) => path);
      expect(paths.filter((path) => path !== '/')).toEqual([]);
    } finally {
      own.close();
      await agent.stop();
    }
  });

  test('leaves no key and no bundle behind, and cannot be started again', async () => {
    double.revoke(enrolled.identity.agentId);
    await until(async () => (await files()).join() === 'lock,revoked.json');
    await daemon.stop();
    expect(await readFile(inState('revoked.json'), 'utf8')).not.toContain(
      enrolled.identity.signingKey.d,
    );
    await expect(startDaemon(enrolled)).rejects.toMatchObject({
      code: 'agent.revoked',
      advice: expect.stringContaining('enrol again'),
    });
  });
});

test.each(['{}', '{"format":1,"agen', ''])(
  'a wipe that a crash cut off is finished by the next start, also by a marker that reads %p',
  async (marker) => {
    await daemon.stop();
    await writeFile(inState('revoked.json'), marker, { mode: 0o600 });
    await expect(startDaemon(enrolled)).rejects.toMatchObject({ code: 'agent.revoked' });
    expect(await files()).toEqual(['lock', 'revoked.json']);
  },
);

describe('private keys on disk', () => {
  const keyFiles = [
    ...['identity.json', 'identity.json.tmp'],
    ...['identity.pending.json', 'identity.pending.json.tmp'],
  ];

  test('[F-11] are overwritten and removed by a revocation, with all that crashes left behind', async () => {
    const key = enrolled.identity.signingKey.d;
    for (const name of [...keyFiles.slice(1), 'bundle.json.tmp', 'high-water.json.tmp'])
      await writeFile(inState(name), key, { mode: 0o600 });
    const kept = (name: string) => join(enrolled.home.path, name);
    for (const name of keyFiles) await link(inState(name), kept(name));
    double.revoke(enrolled.identity.agentId);
    await until(async () => (await files()).join() === 'lock,revoked.json');
    for (const name of keyFiles) expect(await readFile(kept(name), 'utf8')).toMatch(/^\0+$/);
  });

  test('are not overwritten through a symbolic link, which is removed', async () => {
    const elsewhere = join(enrolled.home.path, 'elsewhere');
    await writeFile(elsewhere, 'of somebody else');
    await symlink(elsewhere, inState('identity.pending.json'));
    double.revoke(enrolled.identity.agentId);
    await until(async () => (await files()).join() === 'lock,revoked.json');
    expect(await readFile(elsewhere, 'utf8')).toBe('of somebody else');
  });

  test('of an enrolment that was cut off are gone once the agent runs', async () => {
    await daemon.stop();
    await writeFile(inState('identity.pending.json'), '{}', { mode: 0o600 });
    await link(inState('identity.pending.json'), join(enrolled.home.path, 'kept'));
    daemon = await startDaemon(enrolled);
    expect(await files()).not.toContain('identity.pending.json');
    expect(await readFile(join(enrolled.home.path, 'kept'), 'utf8')).toBe('\0\0');
  });
});

describe('another agent that was enrolled in the directory meanwhile', () => {
  let other: Enrolled;
  beforeEach(async () => {
    other = await enrollWith(double, 'web-2');
    await copyFile(join(other.stateDir, 'identity.json'), inState('identity.json'));
  });
  afterEach(() => other.home.remove());

  const expectOther = async () =>
    expect(JSON.parse(await readFile(inState('identity.json'), 'utf8'))).toEqual(other.identity);

  test('keeps its files when the old one is revoked, whose memory is wiped all the same', async () => {
    const before = await files();
    double.revoke(enrolled.identity.agentId);
    await until(() => daemon.log.some(({ code }) => code === 'identity.exists'));
    expect((await daemon.ask('/v1/secrets/db/password')).status).toBe(403);
    expect(await files()).toEqual(before);
    await expectOther();
  });

  test('is not taken for the one that a marker names', async () => {
    await daemon.stop();
    const marker = {
      format: 1,
      agentId: enrolled.identity.agentId,
      group: 'plant-7',
      controlPlane: double.url,
      revokedAt: new Date().toISOString(),
    };
    await writeFile(inState('revoked.json'), JSON.stringify(marker), { mode: 0o600 });
    daemon = await startDaemon(enrolled);
    await daemon.untilSecret('db/password', 'first');
    await expectOther();
  });
});

test('revoked while it was away, the agent wipes itself at its first word with the control plane', async () => {
  await daemon.stop();
  double.revoke(enrolled.identity.agentId);
  daemon = await startDaemon(enrolled);
  await until(async () => (await files()).join() === 'lock,revoked.json');
});

describe('nothing else wipes:', () => {
  test.each<[string, Refusal]>([
    ['an agent that the control plane does not know', new Refusal(401, 'agent.unknown')],
    ['an expired access token', new Refusal(401, 'access_token.expired')],
    ['a refused proof', new Refusal(401, 'dpop.invalid')],
    ['an internal error', new Refusal(500, 'server.internal')],
    ['an overloaded control plane', new Refusal(503, 'server.unavailable')],
    ['a control plane restored from an older backup', new Refusal(409, 'revision.ahead')],
    ['a second process with this identity', new Refusal(409, 'pull.superseded')],
    ['an old protocol', new Refusal(400, 'protocol.unsupported')],
  ])('not %s', async (_, refusal) => {
    double.failNext('/agent/v1/pull', refusal);
    double.putSecret('db/password', 'second');
    await until(() => double.requestsTo('/agent/v1/pull').length >= 3);
    await until(
      () =>
        refusal.code === 'access_token.expired' ||
        daemon.log.some(({ code }) => code === refusal.code),
    );
    expect(await daemon.secret('db/password')).toBe('second');
    // A file that is being written has another name for that moment.
    const kept = 'bundle.json,generation.json,high-water.json,identity.json,lock';
    await until(async () => (await files()).join() === kept);
  });
});

test('an agent that the control plane does not know keeps serving, and its status says what to do', async () => {
  double.failNext('/agent/v1/pull', new Refusal(401, 'agent.unknown'));
  double.putSecret('db/password', 'second');
  const { controlPlane } = await daemon.untilHealth(
    (report) => report.controlPlane.state === 'refused',
  );
  expect(controlPlane.lastError).toMatchObject({
    code: 'agent.unknown',
    advice: expect.stringContaining('--force'),
  });
  expect(await daemon.secret('db/password')).toBe('second');
});

test('a disk that takes no marker does not keep memory, keys and bundles from being wiped', async () => {
  await mkdir(inState('revoked.json.tmp'));
  double.revoke(enrolled.identity.agentId);
  await until(async () => (await files()).join() === 'lock,revoked.json.tmp');
  expect((await daemon.ask('/v1/secrets/db/password')).status).toBe(403);
  await until(() =>
    daemon.log.some(({ code, level }) => level === 'error' && code === 'state.unusable'),
  );
});

test('a file that cannot be removed does not keep the others from being wiped', async () => {
  await mkdir(inState('identity.json.tmp'));
  await mkdir(inState('bundle.json.tmp'));
  double.revoke(enrolled.identity.agentId);
  await until(() => daemon.log.some(({ code }) => code === 'state.unusable'));
  expect(await files()).toEqual(['bundle.json.tmp', 'identity.json.tmp', 'lock', 'revoked.json']);
});
