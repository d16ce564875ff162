import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { z } from 'zod';
import { everyChange } from '../changes.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
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
    const acting = action === 'agent:enroll' ? 'agent' : 'operator';
    const actor = outcome === 'refused' ? 'anonymous' : acting;
    expect(events).toEqual([{ action, outcome, actor, named: true, traced: true }]);
  }
});

/** Every operation of the published API that is more than a look, but for signing in and out. */
async function changingOperations(): Promise<string[]> {
  const reply = await controlPlane.operatorApp.inject('/api/openapi.json');
  const { paths } = openApi.parse(reply.json());
  return Object.entries(paths)
    .flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    )
    .filter((operation) => !/^GET |\/sessions/.test(operation))
    .toSorted();
}

const openApi = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });

/** A path as the API document spells it. */
function routeOf(path: string): string {
  return `/api/v1${path}`.replace(
    /\/(group|agent|enrollment-token|secret|plugin)s\/[^/]+/g,
    (_, kind: string) => {
      const name = kind === 'enrollment-token' ? 'token' : kind;
      return `/${kind}s/{${name}}`;
    },
  );
}

test('a role that may only look is refused every change, and nothing is changed', async () => {
  await owner.call('PUT', `${GROUP}/secrets/kept`, { value: 'kept' });
  const [enrolled] = await sql('SELECT id FROM agents');
  const [token] = await sql('SELECT id FROM enrollment_tokens');
  await sql(`UPDATE operators SET role = 'viewer'`);
  const counts = () =>
    sql(`SELECT (SELECT count(*) FROM groups) AS groups, (SELECT sum(revision) FROM groups) AS revisions,
                (SELECT count(*) FROM enrollment_tokens WHERE revoked_at IS NULL) AS tokens,
                (SELECT count(*) FROM tasks) AS tasks`);
  const before = await counts();
  const refused: [method: 'POST' | 'PUT' | 'DELETE', path: string, body?: object][] = [
    ['POST', '/groups', { name: 'plant-8' }],
    ['POST', `${GROUP}/enrollment-tokens`, {}],
    ['DELETE', `${GROUP}/enrollment-tokens/${String(token?.['id'])}`],
    ['POST', `/agents/${String(enrolled?.['id'])}/tasks`, { kind: 'diagnose' }],
    ['POST', `/agents/${String(enrolled?.['id'])}/revoke`],
    ['PUT', `${GROUP}/secrets/kept`, { value: 'changed' }],
    ['POST', `${GROUP}/secrets/kept/reveal`, {}],
    ['DELETE', `${GROUP}/secrets/kept`],
    ['PUT', `${GROUP}/plugins/p`, { config: {} }],
    ['DELETE', `${GROUP}/plugins/p`],
  ];
  for (const [method, path, body] of refused) {
    const { status, body: problem } = await owner.call(method, path, body);
    expect({ method, path, status, problem }).toMatchObject({
      status: 403,
      problem: { code: 'permission.denied' },
    });
  }
  expect(await counts()).toEqual(before);
  expect(refused.map(([method, path]) => `${method} ${routeOf(path)}`).toSorted()).toEqual(
    await changingOperations(),
  );
  expect((await owner.call('GET', `${GROUP}/secrets`)).status).toBe(200);
  await sql(`UPDATE operators SET role = 'owner'`);
});

test('[SG-11] every change to what a group receives moves its revision by one, and a look does not', async () => {
  const revision = async () => {
    const [row] = await sql(`SELECT revision::int FROM groups WHERE name = 'plant-7'`);
    return Number(row?.['revision']);
  };
  const leaving = await agentIn(owner, 'plant-7', controlPlane);
  let expected = await revision();
  const steps: [method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string, body?: object][] = [
    ['PUT', `${GROUP}/secrets/b`, { value: 'value' }],
    ['PUT', `${GROUP}/plugins/p`, { config: { a: 1 } }],
    ['DELETE', `${GROUP}/plugins/p`],
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
