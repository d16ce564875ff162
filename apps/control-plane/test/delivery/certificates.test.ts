import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { Issuer, type IssuedLeaf } from '@sallyport/tls/test/issuer';
import { rewrapKeyrings, UnreadableReports } from '../../src/keyrings/index.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient } from '../operator-client.ts';
import { unreadableIn } from '../unreadable-events.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let issuer: Issuer;
let leaf: IssuedLeaf;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  issuer = await (await Issuer.root()).intermediate();
  leaf = await issuer.leaf();
});
afterAll(() => controlPlane.end());

const put = ({ chain, key }: IssuedLeaf, more: object, at: string) =>
  owner.call('PUT', at, { chain, key, ...more });

describe('agents', () => {
  test('[SG-11] a group takes no more certificates than its agents can be sent', async () => {
    await owner.call('POST', '/groups', { name: 'full' });
    const reply = await put(leaf, {}, '/groups/full/certificates/first');
    expect(reply.status).toBe(201);
    await asAdmin(controlPlane.databaseUrl, (database) =>
      database.query(`UPDATE certificate_bodies SET sealed_body = decode(repeat('00', 8388608), 'hex')
          WHERE certificate_id = '${field(reply.body, 'id')}';
        UPDATE groups SET bytes_at_most = bytes_at_most + 8388608 WHERE name = 'full'`),
    );
    expect(await put(leaf, {}, '/groups/full/certificates/second')).toMatchObject({
      status: 413,
      body: { code: 'group.too_large' },
    });
  });

  test('get chain and key in one value, the old until they have the new', async () => {
    const agent = await agentIn(owner, 'delivered', controlPlane);
    await put(leaf, {}, '/groups/delivered/certificates/web');
    const opened = await agent.open(await agent.pull(10));
    expect(JSON.parse(opened['web'] ?? '')).toEqual({ chain: leaf.chain, key: leaf.key });
    const next = await issuer.leaf();
    await put(next, {}, '/groups/delivered/certificates/web');
    expect(JSON.parse((await agent.open(await agent.pull(10)))['web'] ?? '')).toEqual({
      chain: next.chain,
      key: next.key,
    });
  });

  test('keep it on disk only where that is allowed', async () => {
    const agent = await agentIn(owner, 'kept', controlPlane);
    await put(leaf, {}, '/groups/kept/certificates/web');
    expect((await agent.pull(10))?.bundle?.live).toBeDefined();
    await put(leaf, { offline: 'allow' }, '/groups/kept/certificates/web');
    expect((await agent.pull(10))?.bundle?.live).toBeUndefined();
  });

  test('of protocol 1 are served in a group without certificates, and told to upgrade in one that has some', async () => {
    const agent = await agentIn(owner, 'old', controlPlane);
    await owner.call('PUT', '/groups/old/secrets/s', { value: 'v' });
    expect((await agent.pullRaw(0, 0, 1)).status).toBe(200);
    await agent.pull(10);
    await put(leaf, {}, '/groups/old/certificates/web');
    expect(await agent.pullRaw(10, 0, 1)).toMatchObject({
      status: 400,
      body: { code: 'protocol.unsupported' },
    });
    expect((await agent.pullRaw(10)).status).toBe(200);
  });

  test('[F-15] [A7-09] get it after the group’s keys were rotated and the old one retired', async () => {
    const agent = await agentIn(owner, 'rotated', controlPlane);
    await put(leaf, {}, '/groups/rotated/certificates/web');
    const { platform } = controlPlane;
    expect((await owner.call('POST', '/groups/rotated/keyring/rotate')).status).toBe(200);
    await rewrapKeyrings({ platform, unreadable: new UnreadableReports(platform) });
    expect((await owner.call('GET', '/groups/rotated/keyring')).body).toMatchObject({
      remaining: 0,
      versions: [
        { version: 2, state: 'active' },
        { version: 1, state: 'retired', uses: 0 },
      ],
    });
    const { web = '' } = await agent.open(await agent.pull(10));
    expect(JSON.parse(web)).toEqual({ chain: leaf.chain, key: leaf.key });
  });

  test('[F-16] [A7-09] a body moved to another certificate does not open, and that is audited', async () => {
    const agent = await agentIn(owner, 'moved', controlPlane);
    await put(leaf, {}, '/groups/moved/certificates/a');
    await put(await issuer.leaf(), {}, '/groups/moved/certificates/b');
    await asAdmin(controlPlane.databaseUrl, (database) =>
      database.query(`UPDATE certificate_bodies SET sealed_body = (SELECT sealed_body FROM certificate_bodies b
      JOIN certificates c ON c.id = b.certificate_id JOIN groups g ON g.id = c.group_id
      WHERE g.name = 'moved' AND c.name = 'a')
      WHERE certificate_id = (SELECT c.id FROM certificates c JOIN groups g ON g.id = c.group_id
      WHERE g.name = 'moved' AND c.name = 'b')`),
    );
    expect(await agent.pullRaw(10)).toMatchObject({
      status: 500,
      body: { code: 'envelope.unreadable' },
    });
    expect(await unreadableIn(controlPlane, 'moved')).toEqual([
      {
        subject: expect.stringMatching(/^certificate_bodies\.sealed_body:/),
        outcome: 'refused',
        actor: 'system',
      },
    ]);
  });
});
