import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sql } from '../audit/chain.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';

const URI = 'vault://kv/plant-7/db#password';
const policy = { ttlSeconds: 60, maxTtlSeconds: 300, maxUses: 1, windows: [] };

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

async function putIn(group: string): Promise<(body: object) => ReturnType<OperatorClient['call']>> {
  await owner.call('POST', '/groups', { name: group });
  return (body) => owner.call('PUT', `/groups/${group}/secrets/db`, body);
}

describe('a reference', () => {
  test('is shown as one, is delivered as its URI, and becomes a value of its own again', async () => {
    const put = await putIn('references');
    expect((await put({ reference: URI })).body).toMatchObject({
      kind: 'reference',
      delivery: 'bundle',
      lease: null,
    });
    const agent = await agentIn(owner, 'references', controlPlane);
    const pulled = await agent.pull(10);
    expect(await agent.open(pulled)).toEqual({ db: URI });
    expect(agent.entries(pulled)).toMatchObject([{ kind: 'reference', name: 'db' }]);

    expect((await put({ value: 'own' })).body).toMatchObject({ kind: 'stored', version: 2 });
    expect(agent.entries(await agent.pull(10))).toMatchObject([{ kind: 'secret' }]);

    const path = '/groups/references/secrets/db';
    expect((await owner.call('GET', `${path}/versions`)).body).toMatchObject({
      items: [{ kind: 'stored' }, { kind: 'reference' }],
    });
    const before = await owner.call('POST', `${path}/reveal`, { version: 1 });
    expect(before.body).toEqual({ name: 'db', version: 1, kind: 'reference', value: URI });
  });

  test('[F-20] is not sent to agents that cannot read it, which keep what they have', async () => {
    const put = await putIn('old-agents');
    await put({ reference: URI });
    const agent = await agentIn(owner, 'old-agents', controlPlane);
    const refused = await agent.pullRaw(0, 0, 4);
    expect(refused).toMatchObject({ status: 400, body: { code: 'protocol.unsupported' } });
    expect(refused.text).toContain('upgrade the agent');
    expect((await agent.pullRaw(0, 0, 5)).status).toBe(200);
  });

  test.each([
    ['of an unknown scheme', { reference: 'https://canary.test/kv' }],
    ['with a space in it', { reference: 'vault://canary/a b' }],
    ['of a file on another host', { reference: 'file://canary/kv' }],
    ['of a mount without a path', { reference: 'vault://canary' }],
    ['of a Kubernetes secret without a key', { reference: 'k8s://plant-7/canary' }],
    ['beside a value', { reference: URI, value: 'canary' }],
    ['that is lent out', { reference: URI, lease: policy }],
  ])('%s is refused, and is not echoed', async (_, body) => {
    const put = await putIn('refused');
    const reply = await put(body);
    expect(reply).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
    expect(reply.text).not.toMatch(/canary|plant/);
  });
});

describe('a secret that is lent out', () => {
  test('becomes a reference only with its lease taken away, and the refusal says how', async () => {
    const put = await putIn('lent-before');
    await put({ value: 'one', lease: policy });
    expect(await put({ reference: URI })).toMatchObject({
      status: 400,
      body: {
        issues: [{ field: 'body.reference', message: expect.stringContaining('or --no-lease') }],
      },
    });
    expect((await put({ reference: URI, lease: null })).body).toMatchObject({ kind: 'reference' });
  });

  test('[SG-06] is in no bundle, and is again when it is lent out no more', async () => {
    const put = await putIn('lent');
    expect((await put({ value: 'one', offline: 'allow', lease: policy })).status).toBe(400);
    expect((await put({ value: 'one', lease: policy })).body).toMatchObject({
      delivery: 'lease',
      offline: 'deny',
      lease: policy,
    });
    const agent = await agentIn(owner, 'lent', controlPlane);
    expect(agent.entries(await agent.pull(10))).toEqual([]);

    expect((await put({ value: 'two' })).body).toMatchObject({ delivery: 'lease', lease: policy });
    expect((await put({ value: 'three', lease: null })).body).toMatchObject({
      delivery: 'bundle',
      lease: null,
    });
    expect(await agent.open(await agent.pull(10))).toEqual({ db: 'three' });
  });

  test('[SG-27] keeps each restriction that a new version says nothing of, and loses one that it takes away', async () => {
    const put = await putIn('restricted');
    const windows = [{ days: ['mon'], from: '08:00', until: '17:30', timeZone: 'UTC' }];
    const at = (lease: object) => put({ value: 'v', lease });
    expect((await at({ ttlSeconds: 60 })).body).toMatchObject({
      lease: { ttlSeconds: 60, maxTtlSeconds: 60, maxUses: null, windows: [] },
    });
    await at({ ...policy, windows });
    expect((await at({ ttlSeconds: 30 })).body).toMatchObject({
      lease: { ...policy, ttlSeconds: 30, windows },
    });
    expect((await at({ ttlSeconds: 301 })).body).toMatchObject({
      issues: [
        { field: 'body.lease.maxTtlSeconds', message: expect.stringMatching(/^is 300 seconds/) },
      ],
    });
    expect((await at({ ttlSeconds: 30, maxUses: null })).body).toMatchObject({
      lease: { maxTtlSeconds: 300, maxUses: null, windows },
    });
    expect((await at({ ttlSeconds: 30, windows: [] })).body).toMatchObject({
      lease: { maxTtlSeconds: 300, maxUses: null, windows: [] },
    });
  });

  test('[SG-27] keeps a longest time that was said, be it that of one lease, and is never given one by its time', async () => {
    const put = await putIn('longest');
    const at = (lease: object) => put({ value: 'v', lease });
    const shows = (ttlSeconds: number, maxTtlSeconds = ttlSeconds) => ({
      status: 200,
      body: { lease: { ttlSeconds, maxTtlSeconds, maxUses: null, windows: [] } },
    });
    await put({ value: 'v' });
    for (const ttlSeconds of [900, 86_400, 600])
      expect(await at({ ttlSeconds })).toMatchObject(shows(ttlSeconds));
    expect((await put({ value: 'v' })).body).toMatchObject(shows(600).body);

    expect(await at({ ttlSeconds: 900, maxTtlSeconds: 14_400 })).toMatchObject(shows(900, 14_400));
    expect(await at({ ttlSeconds: 14_400 })).toMatchObject(shows(14_400));
    expect(await at({ ttlSeconds: 900 })).toMatchObject(shows(900, 14_400));

    expect(await at({ ttlSeconds: 900, maxTtlSeconds: 900 })).toMatchObject(shows(900));
    expect(await at({ ttlSeconds: 86_400 })).toMatchObject({
      status: 400,
      body: { issues: [{ field: 'body.lease.maxTtlSeconds' }] },
    });
    expect(await at({ ttlSeconds: 600 })).toMatchObject(shows(600, 900));

    await put({ value: 'v', lease: null });
    expect(await at({ ttlSeconds: 86_400 })).toMatchObject(shows(86_400));
  });

  test('is kept on no disk from then on, where agents could keep it before', async () => {
    const put = await putIn('once-kept');
    await put({ value: 'one', offline: 'allow' });
    expect((await put({ value: 'two', lease: policy })).body).toMatchObject({ offline: 'deny' });
    expect(await put({ value: 'three', offline: 'allow' })).toMatchObject({
      status: 400,
      body: { issues: [{ field: 'body.offline' }] },
    });
    expect((await owner.call('GET', '/groups/once-kept/secrets/db')).body).toMatchObject({
      version: 2,
    });
  });

  test('[SG-15] has a change of how it is lent out in the audit', async () => {
    const put = await putIn('audited');
    await put({ value: 'one' });
    const windows = [{ days: ['mon'], from: '08:00', until: '17:30', timeZone: 'Europe/Berlin' }];
    await put({ value: 'two', lease: { ...policy, windows } });
    const events = await sql(
      controlPlane.databaseUrl,
      `SELECT details FROM audit_events
        WHERE action = 'secret:write' AND details -> 'before' ->> 'delivery' = 'bundle'
          AND details -> 'after' ->> 'windows' <> ''`,
    );
    expect(events).toMatchObject([
      {
        details: {
          after: { delivery: 'lease', maxUses: 1, windows: 'mon 08:00-17:30 Europe/Berlin' },
        },
      },
    ]);
  });

  test.each([
    ['an hour that is none', { from: '08:60' }],
    ['an end before its beginning', { from: '18:00' }],
    ['a time zone that is none', { timeZone: 'Mars/Olympus' }],
    ['a day that is none', { days: ['someday'] }],
  ])('is refused a window with %s', async (_, change) => {
    const put = await putIn('windows');
    const window = { days: ['mon'], from: '08:00', until: '17:30', timeZone: 'UTC', ...change };
    const lease = { ...policy, windows: [window] };
    expect(await put({ value: 'v', lease })).toMatchObject({
      status: 400,
      body: { code: 'request.invalid' },
    });
  });

  test('may not last longer than it can be renewed', async () => {
    const put = await putIn('durations');
    const lease = { ...policy, ttlSeconds: 301 };
    expect(await put({ value: 'v', lease })).toMatchObject({
      status: 400,
      body: { issues: [{ field: 'body.lease.maxTtlSeconds' }] },
    });
  });
});

describe('a change of how agents are given a secret', () => {
  async function patchIn(group: string) {
    const put = await putIn(group);
    const patch = (body: object, headers: Record<string, string> = {}) =>
      owner.call('PATCH', `/groups/${group}/secrets/db`, body, headers);
    return { put, patch };
  }

  test('[SG-39] needs no value and makes no version, and agents hear of it', async () => {
    const { put, patch } = await patchIn('patched');
    await put({ value: 'one' });
    const agent = await agentIn(owner, 'patched', controlPlane);
    const first = await agent.pull(10);
    expect(first?.bundle?.live).toBeDefined();

    const sealed = `SELECT v.* FROM secret_versions v JOIN groups g ON g.id = v.group_id WHERE g.name = 'patched'`;
    const before = await sql(controlPlane.databaseUrl, sealed);
    expect(await patch({ offline: 'allow' })).toMatchObject({
      status: 200,
      body: { version: 1, offline: 'allow', delivery: 'bundle' },
    });
    const second = await agent.pull(10);
    expect(second?.bundle?.live).toBeUndefined();
    expect(await agent.open(second)).toEqual({ db: 'one' });
    expect(agent.entries(second)).toMatchObject([{ version: 1 }]);

    expect((await patch({ lease: policy })).body).toMatchObject({ version: 1, delivery: 'lease' });
    expect(agent.entries(await agent.pull(10))).toEqual([]);
    expect((await patch({ lease: null })).body).toMatchObject({ version: 1, lease: null });
    expect(await agent.open(await agent.pull(10))).toEqual({ db: 'one' });
    expect(await sql(controlPlane.databaseUrl, sealed)).toEqual(before);
  });

  test('[SG-27] names one restriction of its leases, and leaves the others', async () => {
    const { put, patch } = await patchIn('restricted-alone');
    await put({ value: 'one', lease: policy });
    const shows = (lease: object) => ({ status: 200, body: { version: 1, lease } });
    expect(await patch({ lease: { maxUses: null } })).toMatchObject(
      shows({ ...policy, maxUses: null }),
    );
    expect(await patch({ lease: { ttlSeconds: 120 } })).toMatchObject(
      shows({ ...policy, maxUses: null, ttlSeconds: 120 }),
    );
    expect(await patch({ lease: { ttlSeconds: 301 } })).toMatchObject({
      status: 400,
      body: { issues: [{ field: 'body.lease.maxTtlSeconds' }] },
    });
  });

  test('[SG-06] is refused where it does not go with the secret, and nothing is changed', async () => {
    const { put, patch } = await patchIn('unpatched');
    const refused = (field: string) => ({
      status: 400,
      body: { code: 'request.invalid', issues: [{ field }] },
    });
    expect(await patch({ offline: 'allow' })).toMatchObject({
      status: 404,
      body: { code: 'secret.not_found' },
    });
    await put({ value: 'one', lease: policy });
    expect(await patch({ offline: 'allow' })).toMatchObject(refused('body.offline'));
    expect(await patch({})).toMatchObject(refused('body'));
    expect(await patch({ value: 'canary', offline: 'deny' })).toMatchObject(refused('body'));
    await put({ value: 'two', lease: null });
    expect(await patch({ lease: { maxUses: 1 } })).toMatchObject(refused('body.lease.ttlSeconds'));
    await put({ reference: URI });
    expect(await patch({ lease: policy })).toMatchObject(refused('body.lease'));
    expect((await owner.call('GET', '/groups/unpatched/secrets/db')).body).toMatchObject({
      version: 3,
      lease: null,
      offline: 'deny',
    });
  });

  test('is made only to what was read, when that is asked, though no version tells it', async () => {
    const { put, patch } = await patchIn('conditional');
    const read = { 'if-match': String((await put({ value: 'one' })).headers['etag']) };
    expect((await patch({ offline: 'allow' }, read)).status).toBe(200);
    for (const late of [
      patch({ offline: 'deny' }, read),
      owner.call('PUT', '/groups/conditional/secrets/db', { value: 'two' }, read),
      owner.call('DELETE', '/groups/conditional/secrets/db', undefined, read),
    ])
      expect(await late).toMatchObject({ status: 412, body: { code: 'precondition.failed' } });
  });
});
