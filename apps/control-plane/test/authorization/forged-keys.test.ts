import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { formatToken, mintToken } from '@sallyport/crypto/token';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

const createKey = () =>
  owner.call('POST', '/api-keys', { name: 'ci', roles: [{ role: 'viewer', group: null }] });

function callWith(key: string): Promise<Reply> {
  const client = new OperatorClient(controlPlane.operatorApp);
  client.token = key;
  return client.call('GET', '/me');
}

/** A hundred keys with the id of a real one, each with a secret of its own; resolves when the first are refused. */
async function floodOf(id: string): Promise<Promise<Reply>[]> {
  const replies = Array.from({ length: 100 }, () => callWith(formatToken(mintToken('key', id))));
  await Promise.race(replies);
  return replies;
}

async function statusesOf(replies: Promise<Reply>[]): Promise<Set<number>> {
  return new Set((await Promise.all(replies)).map(({ status }) => status));
}

test('[AT-10] [AX-17] a flood of forgeries of a revoked key holds up neither operators nor the keys that are good', async () => {
  const [revoked, good] = [await createKey(), await createKey()];
  await owner.call('POST', `/api-keys/${field(revoked.body, 'id')}/revoke`);
  const fresh = await OperatorClient.signedIn(controlPlane.operatorApp);
  const flood = await floodOf(field(revoked.body, 'id'));
  expect((await fresh.call('GET', '/me')).status).toBe(200);
  expect((await callWith(field(good.body, 'key'))).status).toBe(200);
  expect(await statusesOf(flood)).toEqual(new Set([401, 429]));
  // Whoever holds the key itself still learns why, once there is time for it.
  expect(await callWith(field(revoked.body, 'key'))).toMatchObject({
    status: 401,
    body: { code: 'api_key.revoked' },
  });
}, 30_000);

test('[AX-17] a flood of forgeries of a key that is good is refused beyond what may wait, and holds up no operator', async () => {
  const good = await createKey();
  const fresh = await OperatorClient.signedIn(controlPlane.operatorApp);
  const flood = await floodOf(field(good.body, 'id'));
  expect((await fresh.call('GET', '/me')).status).toBe(200);
  expect(await statusesOf(flood)).toEqual(new Set([401, 429]));
}, 30_000);
