import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { certificate } from '@sallyport/contract';
import { selfSigned } from '@sallyport/tls/test/issuer';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';
import { sql } from './chain.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
});
afterAll(() => controlPlane.end());

/** What the audit tells of each change to this, oldest first. */
async function changesOf(action: string, subject: string): Promise<unknown[]> {
  const rows = await sql<{ details: unknown }>(
    controlPlane.databaseUrl,
    'SELECT details FROM audit_events WHERE action = $1 AND subject = $2 ORDER BY seq',
    [action, subject],
  );
  return rows.map(({ details }) => details);
}

describe('[SG-03] [A7-16] what was and what is after a change', () => {
  test('of a certificate is its version, fingerprint, end and place, and before the first nothing was', async () => {
    const path = '/groups/plant-7/certificates/web';
    const put = async (offline?: string) => {
      const { chain, key } = await selfSigned();
      const reply = await owner.call('PUT', path, { chain, key, offline });
      const { version, fingerprint, notAfter } = certificate.parse(reply.body);
      return { version, fingerprint, notAfter };
    };
    const [first, second] = [await put(), await put('allow')];
    const [created, replaced] = await changesOf('certificate:write', 'certificate:web');
    expect(created).toMatchObject({ version: 1, after: { ...first, offline: 'deny' } });
    expect(created).not.toHaveProperty('before');
    expect(replaced).toMatchObject({
      version: 2,
      before: { ...first, offline: 'deny' },
      after: { ...second, offline: 'allow' },
    });
    expect(first.fingerprint).not.toBe(second.fingerprint);
  });

  test('of an agent is which certificate is its own', async () => {
    const { id } = await agentIn(owner, 'plant-7', controlPlane);
    for (const certificateIdentity of ['dns:db-7.corp', null])
      await owner.call('PATCH', `/agents/${id}`, { certificateIdentity });
    expect(await changesOf('agent:update', `agent:${id}`)).toEqual([
      {
        before: { certificateIdentity: null },
        after: { certificateIdentity: 'dns:db-7.corp' },
      },
      {
        before: { certificateIdentity: 'dns:db-7.corp' },
        after: { certificateIdentity: null },
      },
    ]);
  });

  test('of a group is how its agents open sessions, and what becomes of copies', async () => {
    await owner.call('POST', '/groups', { name: 'plant-8' });
    await owner.call('PATCH', '/groups/plant-8', { agentMethods: ['token'] });
    await owner.call('PATCH', '/groups/plant-8', { clones: 'refuse' });
    expect(await changesOf('group:update', 'group:plant-8')).toEqual([
      {
        before: { agentMethods: 'certificate, key, token', clones: 'report' },
        after: { agentMethods: 'token', clones: 'report' },
      },
      {
        before: { agentMethods: 'token', clones: 'report' },
        after: { agentMethods: 'token', clones: 'refuse' },
      },
    ]);
  });

  test('of a plugin type are the paths that became, or ceased to be, encrypted or public', async () => {
    const text = { type: 'string' };
    const properties = { url: text, pin: text, password: text, tokenUrl: text, apiKey: text };
    const schema = { type: 'object', properties };
    const marks = { encryptedFields: ['/password', '/apiKey'], publicFields: ['/tokenUrl'] };
    await owner.call('POST', '/plugin-types', { name: 'marked', schema, ...marks });
    const none = {
      encryptedAdded: [],
      encryptedRemoved: [],
      publicAdded: [],
      publicRemoved: [],
    };
    const path = '/plugin-types/marked';
    const next = { encryptedFields: ['/pin', '/password'], publicFields: ['/apiKey', '/tokenUrl'] };
    expect((await owner.call('PUT', path, { schema, ...next })).status).toBe(200);
    expect((await owner.call('PUT', path, { schema, ...next })).status).toBe(200);
    expect((await owner.call('PUT', path, { schema, ...marks })).status).toBe(200);
    expect(await changesOf('plugin-type:write', 'plugin-type:marked')).toEqual([
      {
        ...none,
        version: 1,
        encryptedAdded: ['/apiKey', '/password'],
        publicAdded: ['/tokenUrl'],
      },
      {
        ...none,
        version: 2,
        broken: 0,
        encryptedAdded: ['/pin'],
        encryptedRemoved: ['/apiKey'],
        publicAdded: ['/apiKey'],
      },
      { ...none, version: 3, broken: 0 },
      {
        ...none,
        version: 4,
        broken: 0,
        encryptedAdded: ['/apiKey'],
        encryptedRemoved: ['/pin'],
        publicRemoved: ['/apiKey'],
      },
    ]);
  });
});
