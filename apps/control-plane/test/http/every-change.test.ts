import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { selfSigned } from '@sallyport/tls/test/issuer';
import { everyChange } from '../changes.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

async function sql(statement: string): Promise<Record<string, unknown>[]> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  });
}

const GROUP = '/groups/plant-7';

test('every change leaves an audit event of who did it, with its outcome', async () => {
  for (const { action, outcome, act } of await everyChange(controlPlane, owner, 'plant-7')) {
    const [before] = await sql('SELECT count(*)::int AS events FROM audit_events');
    const reply = await act();
    expect({ action, refused: reply.status >= 400 }).toEqual({
      action,
      refused: outcome === 'refused',
    });
    const events = await sql(
      `SELECT action, outcome, actor_kind AS actor, actor_name <> '' AS named, request_id <> '' AS traced
         FROM audit_events ORDER BY at, id OFFSET ${Number(before?.['events'])}`,
    );
    const acting = /^(?:agent:(?:enroll|certify|clone)|lease:(?:grant|renew))$/.test(action)
      ? 'agent'
      : 'operator';
    const actor = outcome === 'refused' ? 'anonymous' : acting;
    // Who reads the audit of one group alone is told of a move too.
    const told = action === 'agent:move' ? 2 : 1;
    const event = { action, outcome, actor, named: true, traced: true };
    expect(events).toEqual(Array.from({ length: told }, () => event));
  }
});

test('[SG-11] every change to what a group receives moves its revision by one, and a look does not', async () => {
  const revision = async () => {
    const [row] = await sql(`SELECT revision::int FROM groups WHERE name = 'plant-7'`);
    return Number(row?.['revision']);
  };
  const leaving = await agentIn(owner, 'plant-7', controlPlane);
  await owner.call('PUT', `${GROUP}/secrets/kept`, { value: 'kept' });
  const { chain, key } = await selfSigned();
  const certificate = { chain, key };
  let expected = await revision();
  const steps: [method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string, body?: object][] = [
    ['PUT', `${GROUP}/secrets/b`, { value: 'value' }],
    ['PUT', `${GROUP}/plugins/p`, { config: { a: 1 } }],
    ['DELETE', `${GROUP}/plugins/p`],
    ['PUT', `${GROUP}/certificates/c`, certificate],
    ['PUT', `${GROUP}/certificates/c`, certificate],
    ['DELETE', `${GROUP}/certificates/c`],
    ['DELETE', `${GROUP}/secrets/b`],
    ['POST', `/agents/${leaving.id}/revoke`],
  ];
  for (const [method, path, body] of steps) {
    expect((await owner.call(method, path, body)).status).toBeLessThan(300);
    expected += 1;
    expect({ method, path, revision: await revision() }).toEqual({
      method,
      path,
      revision: expected,
    });
  }
  await owner.call('GET', `${GROUP}/secrets`);
  await owner.call('POST', `${GROUP}/secrets/kept/reveal`, {});
  expect(await revision()).toBe(expected);
});
