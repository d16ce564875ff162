import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { BundleManifest } from '@sallyport/contract';
import { sealBundlePart } from '@sallyport/crypto/bundle';
import { generateDeliveryKey } from '@sallyport/crypto/delivery-key';
import { generateSigningJwk, importSigningKey } from '@sallyport/crypto/signing-key';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { Refusal } from './double/authority.ts';
import { DoubleGroup } from './double/group.ts';
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

describe('a change', () => {
  test('[SG-11] is served without being asked for, and acknowledged by the next pull', async () => {
    double.putSecret('db/password', 'second');
    await daemon.untilSecret('db/password', 'second');
    await until(() => double.lastPull()?.revision === double.group.revision);
    expect(double.lastPull()).toMatchObject({ epoch: 1, status: 'ready', waitSeconds: 55 });
  });

  test('of many secrets in a row ends with the last of each', async () => {
    for (let version = 1; version <= 20; version += 1) {
      double.putSecret('a', `a${version}`);
      double.putSecret('b', `b${version}`, 'deny');
    }
    await daemon.untilSecret('a', 'a20');
    await daemon.untilSecret('b', 'b20');
    await until(() => double.lastPull()?.revision === double.group.revision);
  });

  test('that removes a secret makes it unknown', async () => {
    double.deleteSecret('db/password');
    await until(async () => (await daemon.ask('/v1/secrets/db/password')).status === 404);
  });

  test('too large for a pull’s reply is fetched on its own', async () => {
    double.putSecret('large', 'x'.repeat(60_000));
    double.putSecret('larger', 'y'.repeat(60_000));
    await daemon.untilSecret('larger', 'y'.repeat(60_000));
    const { revision } = double.group;
    expect(double.requestsTo(`/agent/v1/revisions/${revision}/bundle`)).toHaveLength(1);
  });

  test('of the delivery key is followed: the new epoch’s key comes with the bundle', async () => {
    const other = await enrollWith(double, 'web-2');
    double.revoke(other.identity.agentId);
    double.putSecret('db/password', 'second');
    await daemon.untilSecret('db/password', 'second');
    await until(() => double.lastPull()?.epoch === 2);
    await other.home.remove();
  });
});

test('[SG-34] a thousand reads cost the control plane nothing, and the bundle is fetched once', async () => {
  // That it has started is all that it tells before a minute has passed.
  await until(() => double.reports.length > 0);
  const before = double.received.length;
  for (let read = 0; read < 1000; read += 1) {
    expect((await daemon.ask('/v1/secrets/db/password')).status).toBe(200);
  }
  expect(double.received).toHaveLength(before);
  expect(double.requestsTo('/agent/v1/session')).toHaveLength(1);
});

describe('a bundle that is not as it should be', () => {
  /** Makes the next deliveries carry `tamper`’s bundle, and waits until the agent has refused one. */
  async function refusal(tamper: ControlPlaneDouble['tamper']): Promise<string | undefined> {
    double.tamper = tamper;
    double.putSecret('db/password', 'second');
    const { conditions, controlPlane } = await daemon.untilHealth(
      (report) => report.controlPlane.state === 'distrusted',
    );
    expect(conditions.map(({ code }) => code)).toContain('control_plane_distrusted');
    return controlPlane.lastError?.code;
  }

  async function expectOldState(): Promise<void> {
    expect(await daemon.secret('db/password')).toBe('first');
    expect(await daemon.health()).toMatchObject({
      status: 'stale',
      staleSince: expect.any(String),
    });
    double.tamper = (bundle) => bundle;
    await daemon.untilSecret('db/password', 'second');
    expect((await daemon.health()).status).toBe('ready');
  }

  test.each([
    ['one flipped bit', (durable: string) => flipOneBit(durable)],
    ['its end missing', (durable: string) => durable.slice(0, -40)],
    ['no bytes', () => ''],
  ])(
    '[AT-46] with %s is refused and told of, the old state kept, and the next one asked for',
    async (_, change) => {
      expect(await refusal((bundle) => ({ ...bundle, durable: change(bundle.durable) }))).toBe(
        'bundle.unreadable',
      );
      await expectOldState();
    },
  );

  test('that is older than the one that runs is refused', async () => {
    const older = await double.group.bundle();
    double.putSecret('db/password', 'first');
    await until(() => double.lastPull()?.revision === double.group.revision);
    expect(await refusal(() => older)).toBe('bundle.older');
    await expectOldState();
  });

  test('of another group is refused, even when it is sealed under this group’s delivery key', async () => {
    const foreign = await DoubleGroup.create('plant-8');
    foreign.delivery = { ...double.group.delivery, group: foreign.id };
    foreign.putSecret('db/password', 'foreign');
    const { signer } = double.group;
    const manifest = {
      group: foreign.id,
      revision: 99,
      epoch: 1,
      issuedAt: new Date().toISOString(),
      hasLive: false,
      entries: [],
    };
    const durable = await sealBundlePart(
      { manifest: { part: 'durable', ...manifest }, values: [] },
      signer,
      double.group.delivery,
    );
    expect(await refusal(() => ({ durable }))).toBe('bundle.wrong_group');
    await expectOldState();
  });

  test('[F-03] that names an entry twice is refused', async () => {
    const { id: group, signer, delivery } = double.group;
    const entry = { kind: 'secret', name: 'db/password', version: 2, length: 1 } as const;
    const issuedAt = new Date().toISOString();
    const stamp = { group, revision: 99, epoch: 1, issuedAt, hasLive: false };
    const durable = await sealBundlePart(
      {
        manifest: { part: 'durable', ...stamp, entries: [entry, entry] },
        values: [Buffer.from('a'), Buffer.from('b')],
      },
      signer,
      delivery,
    );
    expect(await refusal(() => ({ durable }))).toBe('bundle.incomplete');
    await expectOldState();
  });

  test('of another group’s delivery key is refused', async () => {
    const foreign = await DoubleGroup.create('plant-8');
    const bundle = await foreign.bundle();
    expect(await refusal(() => bundle)).toBe('bundle.unreadable');
    await expectOldState();
  });

  test('signed by somebody else is refused', async () => {
    const impostor = importSigningKey(await generateSigningJwk());
    const { id, delivery } = double.group;
    const manifest: BundleManifest = {
      part: 'durable',
      group: id,
      revision: 99,
      epoch: 1,
      issuedAt: new Date().toISOString(),
      hasLive: false,
      entries: [],
    };
    const durable = await sealBundlePart({ manifest, values: [] }, impostor, delivery);
    expect(await refusal(() => ({ durable }))).toBe('bundle.unsigned');
    await expectOldState();
  });

  test('of an epoch whose key never came is refused', async () => {
    const { id, signer } = double.group;
    const delivery = generateDeliveryKey(id, 7);
    const manifest: BundleManifest = {
      part: 'durable',
      group: id,
      revision: 99,
      epoch: 7,
      issuedAt: new Date().toISOString(),
      hasLive: false,
      entries: [],
    };
    const durable = await sealBundlePart({ manifest, values: [] }, signer, delivery);
    expect(await refusal(() => ({ durable }))).toBe('bundle.unreadable');
    await expectOldState();
  });

  test('without the live part that belongs to it is refused', async () => {
    double.putSecret('live', 'x', 'deny');
    await daemon.untilSecret('live', 'x');
    expect(await refusal(({ durable }) => ({ durable }))).toBe('bundle.incomplete');
    await expectOldState();
  });

  test('with its live part in the durable one’s place is refused', async () => {
    double.putSecret('live', 'x', 'deny');
    await daemon.untilSecret('live', 'x');
    expect(await refusal(({ live = '' }) => ({ durable: live, live }))).toBe('bundle.wrong_part');
    await expectOldState();
  });

  test('whose parts are of two revisions is refused', async () => {
    double.putSecret('live', 'x', 'deny');
    await daemon.untilSecret('live', 'x');
    const { live } = await double.group.bundle();
    expect(
      await refusal((bundle) => ({ ...bundle, ...(live === undefined ? {} : { live }) })),
    ).toBe('bundle.incomplete');
    await expectOldState();
  });
});

describe('a reply that is not as it should be', () => {
  test('leaves the old state, and is asked for again', async () => {
    double.failNext(
      '/agent/v1/pull',
      { status: 200 },
      { status: 502 },
      'hang up',
      new Refusal(503, 'server.stopping'),
    );
    double.putSecret('db/password', 'second');
    await until(() => daemon.log.some(({ code }) => code === 'server.stopping'));
    expect(await daemon.secret('db/password')).toBe('second');
    expect(new Set(daemon.log.flatMap(({ code }) => code ?? []))).toEqual(
      new Set(['reply.unexpected', 'server.stopping']),
    );
    await daemon.untilHealth(({ status }) => status === 'ready');
  });

  test('that is empty, at once and over and over, is not asked for in a tight loop', async () => {
    double.longestWaitMs = 0;
    double.putSecret('db/password', 'second');
    await daemon.untilSecret('db/password', 'second');
    const { length } = double.requestsTo('/agent/v1/pull');
    const startedAt = performance.now();
    await until(() => double.requestsTo('/agent/v1/pull').length >= length + 4);
    const perSecond = 4000 / (performance.now() - startedAt);
    expect(perSecond).toBeLessThan(200);
  });
});

function flipOneBit(jwe: string): string {
  const parts = jwe.split('.');
  const ciphertext = Buffer.from(parts[3] ?? '', 'base64url');
  ciphertext[10] = (ciphertext[10] ?? 0) ^ 1;
  return parts.with(3, ciphertext.toString('base64url')).join('.');
}
