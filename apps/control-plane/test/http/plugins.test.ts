import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { group, type Bundle, type PullReply } from '@sallyport/contract';
import type { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { gatewayType } from '../gateway-type.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient, type Reply } from '../operator-client.ts';
import { dumpOf, storedFields } from '../plugin-table.ts';

const CANARY = 'canary-91c4-value';
const kept = { $encrypted: true };
const mergePatch = { 'content-type': 'application/merge-patch+json' };

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let agent: AgentClient;
let held: PullReply | undefined;
/** A new name for each test. */
let name = '';
let count = 0;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  agent = await agentIn(owner, 'plant-7', controlPlane);
  const made = await owner.call('POST', '/plugin-types', gatewayType);
  expect(made.status).toBe(201);
});
afterAll(() => controlPlane.end());
beforeEach(() => {
  count += 1;
  name = `gateway-${count}`;
});

const path = () => `/groups/plant-7/plugins/${name}`;
const put = (config: object, more: object = {}) =>
  owner.put(path(), { type: 'gateway', config, ...more });
const patch = (config: object, more: object = {}) =>
  owner.call('PATCH', path(), JSON.stringify({ config, ...more }), mergePatch);
const configOf = ({ body }: Reply): unknown => Object(body).config;
const refusedAt = (...fields: string[]) => ({
  status: 400,
  body: { code: 'request.invalid', issues: fields.map((at) => ({ field: `body.config${at}` })) },
});
const full = {
  url: 'https://example.com',
  auth: { user: 'u', password: `${CANARY}-1` },
  targets: [
    { host: 'a', token: `${CANARY}-2` },
    { host: 'b', token: { nested: [`${CANARY}-3`, 4, null] } },
  ],
  keys: { one: `${CANARY}-4` },
};
const masked = {
  url: 'https://example.com',
  auth: { user: 'u', password: kept },
  targets: [
    { host: 'a', token: kept },
    { host: 'b', token: kept },
  ],
  keys: { one: kept },
};

/** What the agent has once it has the group's current revision. */
async function pulled(): Promise<PullReply & { bundle: Bundle }> {
  const { revision } = group.parse((await owner.call('GET', '/groups/plant-7')).body);
  while (agent.revision < revision) held = (await agent.pull(5)) ?? held;
  if (held?.bundle === undefined) throw new Error('a bundle was expected');
  return { ...held, bundle: held.bundle };
}

async function delivered(): Promise<{ [plugin: string]: string }> {
  return agent.open(await pulled());
}

describe('[A7-07] encrypted fields, nested and in lists', () => {
  test('are masked in every reply, absent from every table and the log, and plaintext for the agent', async () => {
    const created = await put(full);
    expect(created).toMatchObject({
      status: 201,
      body: { type: 'gateway', typeVersion: 1, offline: 'deny', config: masked },
    });
    expect((await owner.call('GET', path())).body).toEqual(created.body);
    const list = await owner.call('GET', '/groups/plant-7/plugins');
    expect(list.body).toMatchObject({ items: expect.arrayContaining([created.body]) });
    expect(JSON.parse((await delivered())[name] ?? '')).toEqual(full);
    const dump = await dumpOf(controlPlane);
    expect(dump).toContain('https://example.com');
    for (const text of [created.text, list.text, dump, controlPlane.logged()]) {
      expect(text).not.toContain(CANARY);
      expect(text).not.toContain(Buffer.from(CANARY).toString('hex'));
      expect(text).not.toContain(Buffer.from(CANARY).toString('base64').slice(0, 16));
    }
  });

  test('[A7-08] the same value twice is different ciphertext, in one plugin and in two', async () => {
    const config = { keys: { one: CANARY, two: CANARY } };
    await put(config);
    const first = [...(await storedFields(controlPlane, name)).values()];
    name += '-again';
    await put(config);
    const all = [...first, ...(await storedFields(controlPlane, name)).values()];
    expect(all).toHaveLength(4);
    expect(new Set(all.map(({ sealed }) => sealed.toString('hex'))).size).toBe(4);
  });

  test('sent back as they were shown, they keep their values byte for byte', async () => {
    await put(full);
    const before = await storedFields(controlPlane, name);
    for (const send of [put, patch]) {
      const shown = configOf(await owner.call('GET', path()));
      expect(await send(Object(shown))).toMatchObject({ status: 200, body: { config: masked } });
      expect(await storedFields(controlPlane, name)).toEqual(before);
    }
    expect(JSON.parse((await delivered())[name] ?? '')).toEqual(full);
  });

  test('a patch seals what it changes and nothing else, and nothing twice', async () => {
    await put(full);
    const before = await storedFields(controlPlane, name);
    await patch({ url: 'https://other.example.com', auth: { password: `${CANARY}-1` } });
    await patch({});
    expect(await storedFields(controlPlane, name)).toEqual(before);
    const changed = await patch({ auth: { password: `${CANARY}-9` }, keys: { one: null } });
    expect(changed).toMatchObject({ status: 200, body: { version: 4 } });
    const after = await storedFields(controlPlane, name);
    expect([...after.keys()].toSorted()).toEqual(
      ['/auth/password', '/targets/0/token', '/targets/1/token'].toSorted(),
    );
    expect(after.get('/auth/password')).not.toEqual(before.get('/auth/password'));
    expect(after.get('/targets/0/token')).toEqual(before.get('/targets/0/token'));
    expect(JSON.parse((await delivered())[name] ?? '')).toEqual({
      ...full,
      url: 'https://other.example.com',
      auth: { user: 'u', password: `${CANARY}-9` },
      keys: {},
    });
  });

  test('a placeholder with nothing to keep, or where nothing is encrypted, is refused and named', async () => {
    expect(await put({ auth: { password: kept } })).toMatchObject(refusedAt('/auth/password'));
    await put(full);
    expect(await put({ ...full, url: kept })).toMatchObject(refusedAt('/url'));
    expect(await patch({ keys: { two: kept } })).toMatchObject(refusedAt('/keys/two'));
    const inside = { targets: [{ host: 'a', token: { deep: kept } }] };
    expect(await put(inside)).toMatchObject(refusedAt('/targets/0/token'));
    expect((await owner.call('GET', path())).body).toMatchObject({ version: 1, config: masked });
  });

  test('items of a list that were moved get no other item’s secret', async () => {
    await put(full);
    const [a, b] = masked.targets;
    const moved = refusedAt('/targets/0/token', '/targets/1/token');
    expect(await put({ ...masked, targets: [b, a] })).toMatchObject(moved);
    expect(await patch({ targets: [b] })).toMatchObject(refusedAt('/targets/0/token'));
    const edited = [{ host: 'c', token: kept }, b];
    expect(await patch({ targets: edited })).toMatchObject({ status: 200 });
    expect(JSON.parse((await delivered())[name] ?? '').targets).toEqual([
      { host: 'c', token: `${CANARY}-2` },
      full.targets[1],
    ]);
  });

  test('are validated as plaintext, and what fails is named without its value', async () => {
    const short = await put({ ...full, auth: { password: 'canary!' } });
    expect(short).toMatchObject(refusedAt('/auth/password'));
    expect(short.text).not.toContain('canary!');
    expect(await put({ nothing: 1 })).toMatchObject(refusedAt('/nothing'));
    expect(await put({}, { type: 'none' })).toMatchObject({
      status: 404,
      body: { code: 'plugin_type.not_found' },
    });
  });
});

describe('a plugin without a type', () => {
  const putGeneric = (config: object) => owner.put(path(), { config });

  test('is generic: any JSON object, which agents may keep on disk', async () => {
    expect(await putGeneric({ a: [1], tokenUrl: '' })).toMatchObject({
      status: 201,
      body: { type: 'generic', typeVersion: 1, offline: 'allow' },
    });
  });

  test('[A7-07] refuses text under a name that looks secret, by its path', async () => {
    const reply = await putGeneric({ db: [{ password: CANARY }], maxTokens: 5 });
    expect(reply).toMatchObject(refusedAt('/db/0/password'));
    expect(reply.text).not.toContain(CANARY);
    expect((await owner.call('GET', path())).status).toBe(404);
  });

  test('gets its secrets sealed by being given a type, which it then has', async () => {
    await putGeneric({ url: 'u' });
    const config = { auth: { password: CANARY } };
    expect(await patch(config, { type: 'gateway' })).toMatchObject({
      body: { type: 'gateway', offline: 'deny', config: { auth: { password: kept } } },
    });
    expect(await putGeneric({ auth: { password: kept } })).toMatchObject({
      status: 200,
      body: { type: 'gateway', version: 3 },
    });
    expect(await putGeneric({ auth: { password: 'long enough' } })).toMatchObject({ status: 200 });
    const back = { type: 'generic', config: { auth: { password: kept } } };
    expect(await owner.put(path(), back)).toMatchObject(refusedAt('/auth/password'));
  });
});

test('[SG-10] only a plugin that may be kept on disk is in the durable part', async () => {
  const partOf = async () => {
    const reply = await pulled();
    const { durable } = reply.bundle;
    const onDisk = await agent.open({ ...reply, bundle: { durable } });
    const all = await agent.open(reply);
    expect(Object.keys(all)).toContain(name);
    return name in onDisk ? 'durable' : 'live';
  };
  await put({ url: 'u' });
  expect(await partOf()).toBe('durable');
  await patch({ auth: { password: CANARY } });
  expect(await partOf()).toBe('live');
  expect(await patch({}, { offline: 'allow' })).toMatchObject({
    status: 200,
    body: { offline: 'allow' },
  });
  expect(await partOf()).toBe('durable');
  await put({ url: 'u' }, { offline: 'deny' });
  expect(await partOf()).toBe('live');
});
