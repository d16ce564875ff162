import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { signIn, type SignedIn } from './signed-in.ts';

const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const at = '2030-01-01T00:00:00.000Z';
const active = {
  id,
  secret: 'db/root',
  version: 1,
  agentId: id,
  agentName: 'edge-1',
  application: { listener: 'loopback', pid: null, uid: null, gid: null },
  state: 'active',
  grantedAt: at,
  expiresAt: at,
  lastsUntil: at,
  maxUses: 1,
  endedAt: null,
  endedHow: null,
};
const ended = { ...active, state: 'ended', endedAt: at };

let operator: SignedIn;
beforeEach(async () => {
  operator = await signIn();
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
});

const list = (...more: string[]) => operator.cli(['lease', 'list', '--group', 'plant-7', ...more]);

test.each([
  ['active', active],
  ['expired', { ...active, state: 'expired' }],
  ['revoked', { ...ended, endedHow: 'revoked' }],
  ['returned', { ...ended, endedHow: 'returned' }],
  ['used up', { ...ended, endedHow: 'usedUp' }],
  ['secret deleted', { ...ended, endedHow: 'secretDeleted' }],
  ['agent revoked', { ...ended, endedHow: 'agentRevoked' }],
  ['agent moved', { ...ended, endedHow: 'agentMoved' }],
  ['forgotten by its agent', { ...ended, endedHow: 'forgotten' }],
  ['ended', ended],
])('list shows a lease as %s, with the name of its agent', async (words, lease) => {
  operator.api.on('GET /groups/plant-7/leases', { body: { items: [lease] } });
  const [, row] = (await list()).stdout.split('\n');
  expect(row).toBe(`${id}  db/root  ${words}  edge-1  loopback  ${at}`);
  expect(JSON.parse((await list('--json')).stdout)).toEqual([lease]);
});

test('list asks for those of one state, and refuses one that there is not', async () => {
  operator.api.on('GET /groups/plant-7/leases', { body: { items: [] } });
  expect(await list('--state', 'ended')).toMatchObject({ code: 0 });
  expect(await list('--state', 'returned')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--state: use active, expired or ended'),
  });
  expect(operator.api.received.map(({ query }) => query.get('state'))).toEqual(['ended']);
});

test('revoke says how the lease ended', async () => {
  const path = `POST /groups/plant-7/leases/${id}/revoke`;
  const revoke = async () =>
    (await operator.cli(['lease', 'revoke', id, '--group', 'plant-7'])).stdout;
  operator.api.on(path, { body: { ...ended, endedHow: 'revoked' } });
  expect(await revoke()).toBe(`The lease ${id} of db/root is revoked.\n`);
  operator.api.on(path, { body: { ...ended, endedHow: 'usedUp' } });
  expect(await revoke()).toBe(`The lease ${id} of db/root is used up.\n`);
});
