import { copyFile, readdir, readFile, rm, writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, startDaemon, until, type Enrolled, type TestDaemon } from './harness.ts';
import { runAgent } from './run-agent.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestDaemon | undefined;

beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'kept-on-disk');
  double.putSecret('memory-only', 'canary-live', 'deny');
  double.putPlugin('rate-limit', { perSecond: 5 });
  enrolled = await enrollWith(double);
});

afterEach(async () => {
  await daemon?.stop();
  await double.stop();
  await enrolled.home.remove();
});

const path = (name: string) => join(enrolled.stateDir, name);
const quarantined = async () =>
  (await readdir(path('quarantine')).catch(() => [])).map((name) => name.replace(/^.*Z-/, ''));

/** Runs the agent until it has acknowledged all there is, so that all of it is on disk, and stops it. */
async function runOnce(agent: Enrolled = enrolled): Promise<void> {
  double.received.length = 0;
  const run = await startDaemon(agent);
  await until(() => double.lastPull()?.revision === double.group.revision);
  await run.stop();
}

describe('[F-01] while the control plane is gone', () => {
  test('values are served as before, and every reply and status says since when they are stale', async () => {
    daemon = await startDaemon(enrolled);
    await daemon.untilHealth(({ status }) => status === 'ready');
    const before = Date.now();
    await double.stop();
    const report = await daemon.untilHealth(({ status }) => status === 'stale');
    expect(Date.parse(report.staleSince ?? '')).toBeLessThanOrEqual(before);
    expect(report).toMatchObject({
      offline: false,
      controlPlane: { state: 'unreachable', lastError: { code: expect.stringMatching(/^link\./) } },
    });

    const { status, headers } = await daemon.ask('/v1/secrets/memory-only');
    expect({ status, warning: headers.warning }).toEqual({
      status: 200,
      warning: '110 - "Response is Stale"',
    });
    expect((await daemon.ask('/healthz')).status).toBe(200);
  });

  test('and back again, the agent catches up and says so', async () => {
    daemon = await startDaemon(enrolled);
    await daemon.untilSecret('db/password', 'kept-on-disk');
    await double.stop();
    await daemon.untilHealth(({ status }) => status === 'stale');
    double.putSecret('db/password', 'changed meanwhile');
    await double.start();
    await daemon.untilSecret('db/password', 'changed meanwhile');
    expect(await daemon.health()).toMatchObject({
      status: 'ready',
      staleSince: null,
      controlPlane: { state: 'connected', lastError: null },
    });
  });

  test('and back with nothing new, the agent is ready again at once, not after a whole wait', async () => {
    daemon = await startDaemon(enrolled);
    await until(() => double.lastPull()?.revision === double.group.revision);
    await double.stop();
    await daemon.untilHealth(({ status }) => status === 'stale');
    await double.start();
    await daemon.untilHealth(({ status }) => status === 'ready');
  });

  test.each([500, 503, 404, 401, 403, 400])(
    'a bare %i from its address neither ends nor empties the agent',
    async (status) => {
      daemon = await startDaemon(enrolled);
      await until(() => double.waitingPulls === 1);
      double.failNext('/agent/v1/pull', { status });
      double.putSecret('db/password', 'second');
      await daemon.untilHealth(
        ({ controlPlane }) => controlPlane.lastError?.code === 'reply.unexpected',
      );
      expect(await daemon.secret('db/password')).toBe('second');
      expect(await readdir(enrolled.stateDir)).toContain('identity.json');
    },
  );
});

describe('[F-02] started while the control plane is gone', () => {
  beforeEach(async () => {
    await runOnce();
    await double.stop();
  });

  test('the agent serves what may be kept on disk in under two seconds, marked as stale', async () => {
    const startedAt = performance.now();
    daemon = await startDaemon(enrolled);
    expect(await daemon.secret('db/password')).toBe('kept-on-disk');
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect((await daemon.ask('/v1/config/rate-limit')).body).toBe('{"perSecond":5}');
    const report = await daemon.health();
    expect(report).toMatchObject({
      status: 'stale',
      offline: true,
      durable: { revision: double.group.revision },
    });
    expect(Date.now() - Date.parse(report.staleSince ?? '')).toBeLessThan(60_000);
  });

  test('a value that may not be kept is not known yet, which is not the same as not there', async () => {
    daemon = await startDaemon(enrolled);
    const { status, body } = await daemon.ask('/v1/secrets/memory-only');
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({ code: 'agent.not_ready' });
    const list = () => runAgent(['list'], { env: { SALLYPORT_AGENT_SOCKET: enrolled.socket } });
    expect((await list()).stderr).toMatch(/may not be kept on disk is unknown until the control/);
    await double.start();
    await daemon.untilSecret('memory-only', 'canary-live');
    expect((await list()).stderr).toBe('');
    expect((await daemon.ask('/v1/secrets/nowhere')).status).toBe(404);
    expect(await daemon.health()).toMatchObject({ status: 'ready', offline: false });
  });

  test('the agent’s first pull names no revision while live values are missing, so that it gets them', async () => {
    daemon = await startDaemon(enrolled);
    double.received.length = 0;
    await double.start();
    await until(() => double.lastPull()?.revision === double.group.revision);
    expect(JSON.parse(double.requestsTo('/agent/v1/pull')[0]?.body ?? '')).toMatchObject({
      revision: 0,
      epoch: 1,
    });
  });
});

test('what may not be kept on disk is nowhere on it, and what may is no plaintext', async () => {
  await runOnce();
  const entries = await readdir(enrolled.stateDir, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((each) => each.isFile())) {
    const bytes = await readFile(join(entry.parentPath, entry.name), 'latin1');
    for (const canary of ['canary-live', 'kept-on-disk', 'perSecond'])
      expect(bytes).not.toContain(canary);
  }
});

test('a disk that takes no bundle does not stop delivery, and is told', async () => {
  await mkdir(path('bundle.json.tmp'));
  daemon = await startDaemon(enrolled);
  await daemon.untilSecret('db/password', 'kept-on-disk');
  await until(() => double.lastPull()?.revision === double.group.revision);
  expect(double.lastPull()?.status).toBe('degraded');
  expect((await daemon.health()).durable.error).toBe('state.unusable');
  await rm(path('bundle.json.tmp'), { recursive: true });
  double.putSecret('db/password', 'second');
  await daemon.untilHealth(
    ({ durable }) => durable.error === null && durable.revision === double.group.revision,
  );
});

describe('[F-03] a bundle on disk that is not as it should be', () => {
  /** Offline it is refused as a whole; online it is fetched again. */
  async function expectQuarantine(reason: string): Promise<void> {
    await double.stop();
    const offline = await startDaemon(enrolled);
    expect((await offline.ask('/v1/secrets/db/password')).status).toBe(503);
    expect(await offline.health()).toMatchObject({
      status: 'starting',
      revision: 0,
      entries: 0,
      durable: { error: reason },
    });
    expect(await quarantined()).toEqual([`${reason}.json`]);
    await double.start();
    await offline.untilSecret('db/password', 'kept-on-disk');
    await until(() => double.lastPull()?.revision === double.group.revision);
    await offline.stop();
    await double.stop();
    daemon = await startDaemon(enrolled);
    expect(await daemon.secret('db/password')).toBe('kept-on-disk');
  }

  async function change(edit: (text: string) => string): Promise<void> {
    await runOnce();
    const text = await readFile(path('bundle.json'), 'utf8');
    await writeFile(path('bundle.json'), edit(text));
  }

  test('truncated: quarantined and fetched again', async () => {
    await change((text) => text.slice(0, text.length / 2));
    await expectQuarantine('bundle.malformed');
  });

  test('empty: quarantined and fetched again', async () => {
    await change(() => '');
    await expectQuarantine('bundle.malformed');
  });

  test('with a flipped bit in its values: quarantined and fetched again', async () => {
    await change((text) => {
      const stored = JSON.parse(text);
      const parts = stored.durable.split('.');
      const bytes = Buffer.from(parts[3], 'base64url');
      bytes[5] = (bytes[5] ?? 0) ^ 1;
      return JSON.stringify({
        ...stored,
        durable: parts.with(3, bytes.toString('base64url')).join('.'),
      });
    });
    await expectQuarantine('bundle.unreadable');
  });

  test('with a flipped bit in its delivery key: quarantined and fetched again', async () => {
    await change((text) =>
      text.replace(
        /("deliveryKey":"[^"]{200})(.)/,
        (_, start, letter) => start + (letter === 'A' ? 'B' : 'A'),
      ),
    );
    await expectQuarantine('delivery_key.unreadable');
  });

  test('[SG-14] copied to another host, whose agent is of the same group: not opened, quarantined and fetched again', async () => {
    await runOnce();
    const other = await enrollWith(double, 'web-2');
    await runOnce(other);
    await copyFile(join(other.stateDir, 'bundle.json'), path('bundle.json'));
    await other.home.remove();
    await expectQuarantine('delivery_key.unreadable');
  });
});

describe('[F-04] an older bundle put back on disk', () => {
  async function twoRevisions(): Promise<{ bundle: string; highWater: string }> {
    await runOnce();
    const older = {
      bundle: await readFile(path('bundle.json'), 'utf8'),
      highWater: await readFile(path('high-water.json'), 'utf8'),
    };
    double.putSecret('db/password', 'rotated');
    await runOnce();
    return older;
  }

  test('is refused, although it is signed, and quarantined', async () => {
    const older = await twoRevisions();
    await writeFile(path('bundle.json'), older.bundle);
    await double.stop();
    daemon = await startDaemon(enrolled);
    expect((await daemon.ask('/v1/secrets/db/password')).status).toBe(503);
    expect(await quarantined()).toEqual(['bundle.older.json']);
  });

  test.each([
    ['deleted', () => rm(path('high-water.json'))],
    [
      'rewritten',
      async () =>
        writeFile(
          path('high-water.json'),
          (await readFile(path('high-water.json'), 'utf8')).replace(
            /"revision":\d+/,
            '"revision":1',
          ),
        ),
    ],
    ['emptied', () => writeFile(path('high-water.json'), '')],
  ])('is refused too when the high-water mark was %s', async (_, tamper) => {
    const older = await twoRevisions();
    await writeFile(path('bundle.json'), older.bundle);
    await tamper();
    await double.stop();
    daemon = await startDaemon(enrolled);
    expect((await daemon.ask('/v1/secrets/db/password')).status).toBe(503);
    expect(await quarantined()).toEqual(['high_water.unreadable.json']);
  });

  test('makes the agent no less careful online: a revision below the mark is refused from the wire', async () => {
    const olderBundle = await double.group.bundle();
    await twoRevisions();
    await rm(path('bundle.json'));
    double.tamper = () => olderBundle;
    daemon = await startDaemon(enrolled);
    const { controlPlane } = await daemon.untilHealth(
      (report) => report.controlPlane.state === 'distrusted',
    );
    expect(controlPlane.lastError?.code).toBe('bundle.older');
    expect((await daemon.ask('/v1/secrets/db/password')).status).toBe(503);
  });
});
