import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { offlineHost } from '../admission.ts';
import { sql } from '../audit/chain.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

/** As many writers of one group are in a transaction at a time. */
const AT_WORK = 2;
/** How long a transaction waits for a lock, and a writer for its turn. */
const PATIENCE_MS = 5_000;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

function writers(group: string, count: number): Promise<Reply>[] {
  return Array.from({ length: count }, (_, at) =>
    owner.call('PUT', `/groups/${group}/secrets/s${at}`, { value: 'value' }),
  );
}

const rowOf = (group: string) => `SELECT FROM groups WHERE name = '${group}' FOR UPDATE`;

test('[F-11] a revocation does not queue behind those that write to the group', async () => {
  const agent = await agentIn(owner, 'busy', controlPlane);
  const replies: Promise<Reply>[] = [];
  await whileHeld(controlPlane.databaseUrl, rowOf('busy'), async () => {
    replies.push(...writers('busy', 10));
    await lockWaits(controlPlane.databaseUrl, AT_WORK);
    replies.push(owner.call('POST', `/agents/${agent.id}/revoke`));
    await lockWaits(controlPlane.databaseUrl, AT_WORK + 1);
  });
  const statuses = (await Promise.all(replies)).map(({ status }) => status);
  expect(statuses).toEqual([...Array<number>(10).fill(201), 200]);
});

test('those that queue for a group that is held are refused in time, and it is free afterwards', async () => {
  await owner.call('POST', '/groups', { name: 'stuck' });
  await whileHeld(controlPlane.databaseUrl, rowOf('stuck'), async () => {
    const begun = performance.now();
    for (const reply of await Promise.all(writers('stuck', 10)))
      expect(reply).toMatchObject({ status: 503, body: { code: 'group.busy' } });
    // For a turn, for a connection and for the lock, each of which has its own patience.
    expect(performance.now() - begun).toBeLessThan(3 * PATIENCE_MS + 2_000);
  });
  expect(await Promise.all(writers('stuck', 1))).toMatchObject([{ status: 201 }]);
}, 40_000);

describe('a group that is deleted', () => {
  const remove = (group: string) => owner.call('DELETE', `/groups/${group}`);
  const notFound = { status: 404, body: { code: 'group.not_found' } };

  test('[AT-21] held nothing any more: until then it is refused with what is in it', async () => {
    const agent = await agentIn(owner, 'ended', controlPlane);
    const token = await owner.call('POST', '/groups/ended/enrollment-tokens', {});
    await owner.call('PUT', '/groups/ended/secrets/s', { value: 'value' });
    await owner.call('PUT', '/groups/ended/plugins/p', { config: {} });
    const held = { role: 'viewer', group: 'ended' };
    const key = await owner.call('POST', '/api-keys', { name: 'of-ended', roles: [held] });
    const left = (...contents: [field: string, message: string][]) => ({
      status: 409,
      body: {
        code: 'group.not_empty',
        issues: contents.map(([name, message]) => ({ field: name, message })),
      },
    });
    expect(await remove('ended')).toMatchObject(
      left(
        ['agents', '1 not revoked'],
        ['secrets', '1 with all their versions'],
        ['plugins', '1 with their configuration'],
        ['enrollmentTokens', '1 that can still be used'],
        [
          'roles',
          '1 in this group: sallyport role list, role revoke, api-key list, api-key revoke',
        ],
      ),
    );
    await owner.call('DELETE', '/groups/ended/secrets/s');
    await owner.call('DELETE', '/groups/ended/plugins/p');
    await owner.call('DELETE', `/groups/ended/enrollment-tokens/${field(token.body, 'id')}`);
    await owner.call('POST', `/api-keys/${field(key.body, 'id')}/revoke`);
    const banned = await owner.call('POST', `/agents/${agent.id}/ban`, {});
    expect(await remove('ended')).toMatchObject(
      left(['bans', '1 that nobody could lift any more: sallyport ban list, ban lift']),
    );
    await owner.call('DELETE', `/groups/ended/bans/${field(banned.body, 'id')}`);
    expect((await remove('ended')).status).toBe(204);
    for (const [method, path, body] of [
      ['GET', '/groups/ended', undefined],
      ['DELETE', '/groups/ended', undefined],
      ['PUT', '/groups/ended/secrets/s', { value: 'value' }],
      ['POST', `/agents/${agent.id}/ban`, {}],
    ] as const)
      expect(await owner.call(method, path, body)).toMatchObject(notFound);
    expect((await owner.call('GET', '/groups?limit=200')).text).not.toContain('"ended"');
    const keys = `SELECT FROM keyring_versions k JOIN groups g ON g.id = k.group_id WHERE g.name = 'ended'`;
    expect(await sql(controlPlane.databaseUrl, keys)).toEqual([]);
  });

  test('[F-11] leaves its revoked agents, who are told so, and its name to another, of which they are not', async () => {
    const agent = await agentIn(owner, 'again', controlPlane);
    await owner.call('POST', `/agents/${agent.id}/revoke`);
    expect((await remove('again')).status).toBe(204);
    expect(await owner.call('POST', '/groups', { name: 'again' })).toMatchObject({
      status: 201,
      body: { revision: 1 },
    });
    expect((await owner.call('PUT', '/groups/again/secrets/s', { value: 'new' })).status).toBe(201);
    expect(await agent.pullRaw()).toMatchObject({ status: 401, body: { code: 'agent.revoked' } });
    expect(await agent.openSession()).toMatchObject({
      status: 401,
      body: { code: 'agent.revoked' },
    });
    expect((await owner.call('GET', `/agents/${agent.id}`)).body).toMatchObject({
      state: 'revoked',
      group: 'again',
    });
    expect((await owner.call('GET', '/groups/again/agents')).body).toEqual({ items: [] });
    expect(await owner.call('GET', '/audit/verify')).toMatchObject({ status: 200 });
  });

  test('[F-13] gets nothing from those who wait for it to make something', async () => {
    const { databaseUrl } = controlPlane;
    const agent = await agentIn(owner, 'elsewhere', controlPlane);
    await owner.call('POST', '/groups', { name: 'waited-for' });
    await owner.call('POST', '/operators', { name: 'waiting', password: 'correct horse battery' });
    const { request } = await offlineHost();
    const at = '/groups/waited-for';
    const replies: Promise<Reply>[] = [];
    await whileHeld(databaseUrl, rowOf('waited-for'), async () => {
      replies.push(remove('waited-for'));
      await lockWaits(databaseUrl, 1);
      const held = { role: 'viewer', group: 'waited-for' };
      replies.push(
        owner.call('PUT', `${at}/secrets/s`, { value: 'value' }),
        owner.call('POST', `${at}/enrollment-tokens`, {}),
        owner.call('POST', `${at}/links`, { name: 'l', address: 'agent.test:9444' }),
        owner.call('POST', `${at}/agents`, request),
        owner.call('POST', `/agents/${agent.id}/move`, { group: 'waited-for' }),
        owner.call('POST', '/role-bindings', { operator: 'waiting', ...held }),
        owner.call('POST', `${at}/keyring/rotate`),
      );
      await lockWaits(databaseUrl, 8);
    });
    const [removed, ...others] = await Promise.all(replies);
    expect(removed?.status).toBe(204);
    for (const reply of others) expect(reply).toMatchObject(notFound);
    expect((await owner.call('GET', `/agents/${agent.id}`)).body).toMatchObject({
      group: 'elsewhere',
    });
  });

  test('[F-13] waits for who makes something in it, and is refused then', async () => {
    const { databaseUrl } = controlPlane;
    await owner.call('POST', '/groups', { name: 'filled' });
    const filling = `
      INSERT INTO links (id, group_id, name, address, created_by, created_at)
      SELECT gen_random_uuid(), id, 'l', 'agent.test:9444', 'owner', now() FROM groups WHERE name = 'filled'`;
    const replies: Promise<Reply>[] = [];
    await whileHeld(databaseUrl, filling, async () => {
      replies.push(remove('filled'));
      await lockWaits(databaseUrl, 1);
    });
    expect(await replies[0]).toMatchObject({
      status: 409,
      body: { issues: [{ field: 'links', message: '1 to be dialled' }] },
    });
  });
});
