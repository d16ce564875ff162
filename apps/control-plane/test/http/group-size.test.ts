import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MAX_GROUP_BYTES, MAX_REPLY_BYTES, MAX_SECRET_BYTES, secret } from '@sallyport/contract';
import { asAdmin } from '@sallyport/testkit/database';
import type { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { gatewayType } from '../gateway-type.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient } from '../operator-client.ts';

const FITTING = Math.floor(MAX_GROUP_BYTES / (MAX_SECRET_BYTES + 256));
const LARGEST = 'x'.repeat(MAX_SECRET_BYTES);
const TOO_LARGE = { status: 413, body: { code: 'group.too_large' } };

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let agent: AgentClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  agent = await agentIn(owner, 'full', controlPlane);
  await owner.call('POST', '/plugin-types', gatewayType);
});
afterAll(() => controlPlane.end());

const put = (name: string, value: string) =>
  owner.call('PUT', `/groups/full/secrets/${name}`, { value });
const putPlugin = (name: string, bytes: number) =>
  owner.call('PUT', `/groups/full/plugins/${name}`, { config: { text: 'x'.repeat(bytes) } });

test('a group takes no more than its agents can be sent, and what it takes reaches them', async () => {
  for (let index = 0; index < FITTING; index += 1)
    expect((await put(`largest-${index}`, LARGEST)).status).toBe(201);
  const before = await owner.call('GET', '/groups/full');
  expect(await put('one-more', LARGEST)).toMatchObject(TOO_LARGE);
  expect(await putPlugin('one-more', 2 * MAX_SECRET_BYTES)).toMatchObject(TOO_LARGE);
  const sealed = { type: 'gateway', config: { keys: { k: 'x'.repeat(2 * MAX_SECRET_BYTES) } } };
  expect(await owner.call('PUT', '/groups/full/plugins/sealed', sealed)).toMatchObject(TOO_LARGE);
  expect((await owner.call('GET', '/groups/full')).body).toEqual(before.body);
  expect((await owner.call('GET', '/groups/full/secrets/one-more')).status).toBe(404);

  const pulled = await agent.pull();
  const fetched = await agent.call('GET', `/revisions/${pulled?.revision}/bundle`);
  expect(fetched.status).toBe(200);
  expect(Buffer.byteLength(fetched.text)).toBeLessThan(MAX_REPLY_BYTES);
  expect(Buffer.byteLength(fetched.text)).toBeGreaterThan(0.85 * MAX_REPLY_BYTES);

  expect((await owner.call('DELETE', '/groups/full/secrets/largest-0')).status).toBe(204);
  const fits = await put('one-more', LARGEST);
  expect(secret.parse(fits.body).version).toBe(1);
  const smaller = await put('one-more', 'small');
  expect(secret.parse(smaller.body).version).toBe(2);
  expect(field(smaller.body, 'id')).toBe(field(fits.body, 'id'));
}, 60_000);

test('what was replaced does not count, however often it is written', async () => {
  await owner.call('POST', '/groups', { name: 'rewritten' });
  for (let version = 1; version <= FITTING + 2; version += 1) {
    const reply = await owner.call('PUT', '/groups/rewritten/secrets/s', { value: LARGEST });
    expect({ version, status: reply.status }).toEqual({
      version,
      status: version === 1 ? 201 : 200,
    });
  }
});

test('a group of an earlier release, of whose size nothing is known, is measured at its next write', async () => {
  await owner.call('POST', '/groups', { name: 'earlier' });
  await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query(`UPDATE groups SET bytes_at_most = 9007199254740991 WHERE name = 'earlier'`),
  );
  const reply = await owner.call('PUT', '/groups/earlier/secrets/s', { value: 'value' });
  expect(reply.status).toBe(201);
});
