import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
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

const files = async () => (await readdir(enrolled.stateDir)).toSorted();

describe('[F-11] revoked while its pull waits, the agent', () => {
  test('wipes memory and disk within five seconds, stays up and says so', async () => {
    const startedAt = performance.now();
    double.revoke(enrolled.identity.agentId);
    await daemon.untilHealth(({ status }) => status === 'revoked');
    await until(async () => (await files()).length === 2);
    expect(performance.now() - startedAt).toBeLessThan(5000);

    expect(await files()).toEqual(['lock', 'revoked.json']);
    const { status, body } = await daemon.ask('/v1/secrets/db/password');
    expect({ status, code: JSON.parse(body).code }).toEqual({ status: 403, code: 'agent.revoked' });
    expect((await daemon.ask('/v1/secrets')).status).toBe(403);
    const report = await daemon.ask('/healthz');
    expect(report.status).toBe(503);
    expect(JSON.parse(report.body)).toMatchObject({ status: 'revoked', revision: 0, entries: 0 });
  });

  test('is given nothing more, and asks for nothing more', async () => {
    double.revoke(enrolled.identity.agentId);
    await daemon.untilHealth(({ status }) => status === 'revoked');
    const { length } = double.received;
    double.putSecret('db/password', 'after');
    expect(await daemon.secret('db/password')).toBeUndefined();
    expect(double.received).toHaveLength(length);
  });

  test('leaves no key and no bundle behind, and cannot be started again', async () => {
    double.revoke(enrolled.identity.agentId);
    await until(async () => (await files()).join() === 'lock,revoked.json');
    await daemon.stop();
    expect(await readFile(join(enrolled.stateDir, 'revoked.json'), 'utf8')).not.toContain(
      enrolled.identity.signingKey.d,
    );
    await expect(startDaemon(enrolled)).rejects.toMatchObject({
      code: 'agent.revoked',
      advice: expect.stringContaining('enrol again'),
    });
  });
});

test('a wipe that a crash cut off is finished by the next start', async () => {
  await daemon.stop();
  await writeFile(join(enrolled.stateDir, 'revoked.json'), '{}', { mode: 0o600 });
  await expect(startDaemon(enrolled)).rejects.toMatchObject({ code: 'agent.revoked' });
  expect(await files()).toEqual(['lock', 'revoked.json']);
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
    expect(await files()).toEqual(['bundle.json', 'high-water.json', 'identity.json', 'lock']);
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
  await mkdir(join(enrolled.stateDir, 'revoked.json.tmp'));
  double.revoke(enrolled.identity.agentId);
  await until(async () => (await files()).join() === 'lock,revoked.json.tmp');
  expect((await daemon.ask('/v1/secrets/db/password')).status).toBe(403);
  await until(() =>
    daemon.log.some(({ code, level }) => level === 'error' && code === 'state.unusable'),
  );
});
