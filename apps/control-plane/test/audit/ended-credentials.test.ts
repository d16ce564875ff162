import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { formatToken, mintToken } from '@sallyport/crypto/token';
import { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';
import { sql } from './chain.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
});
beforeEach(async () => {
  // The clock of the tests goes on for days.
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

/** What is in the audit of uses of this credential, oldest first. */
async function usesOf(subject: string) {
  return sql(
    controlPlane.databaseUrl,
    `SELECT e.action, outcome, actor_kind AS kind, actor_id AS id, g.name AS group, details
       FROM audit_events e LEFT JOIN groups g ON g.id = group_id
      WHERE subject = $1 AND e.action IN ('api-key:use', 'agent-session:create') ORDER BY seq`,
    [subject],
  );
}

/** A trigger that lets no event be written. */
const AUDIT_FULL = `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$;
  CREATE TRIGGER refusal BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse()`;

describe('[AT-10] an API key that is good no more', () => {
  const create = (more: object = {}) =>
    owner.call('POST', '/api-keys', {
      name: 'ci',
      roles: [{ role: 'viewer', group: null }],
      ...more,
    });
  const revoke = (id: string) => owner.call('POST', `/api-keys/${id}/revoke`);
  const use = (token: string): Promise<Reply> => {
    const client = new OperatorClient(controlPlane.operatorApp);
    client.token = token;
    return client.call('GET', '/me');
  };
  const refused = (id: string, code: string) => ({
    action: 'api-key:use',
    outcome: 'refused',
    kind: 'apiKey',
    id,
    group: null,
    details: { code },
  });

  test('is in the audit when it is shown, once an hour however often, and not while it was good', async () => {
    const { body } = await create();
    const [key, id] = [field(body, 'key'), field(body, 'id')];
    expect((await use(key)).status).toBe(200);
    expect(await usesOf(`api-key:${id}`)).toEqual([]);
    await revoke(id);
    for (const reply of await Promise.all([use(key), use(key)])) expect(reply.status).toBe(401);
    controlPlane.clock.advance(HOUR_MS - 1);
    await use(key);
    const once = refused(id, 'api_key.revoked');
    expect(await usesOf(`api-key:${id}`)).toEqual([once]);
    controlPlane.clock.advance(1);
    await use(key);
    expect(await usesOf(`api-key:${id}`)).toEqual([once, once]);
  });

  test('[AT-07] is told apart when it has expired, and who only knows its id leaves nothing', async () => {
    const { body } = await create({ expiresInDays: 1 });
    const [key, id] = [field(body, 'key'), field(body, 'id')];
    controlPlane.clock.advance(DAY_MS);
    expect(await use(formatToken(mintToken('key', id)))).toMatchObject({
      body: { code: 'api_key.invalid' },
    });
    expect(await usesOf(`api-key:${id}`)).toEqual([]);
    expect(await use(key)).toMatchObject({ body: { code: 'api_key.expired' } });
    expect(await usesOf(`api-key:${id}`)).toEqual([refused(id, 'api_key.expired')]);
  });

  test('is refused also while no event can be written, and recorded the next time', async () => {
    const { body } = await create();
    const [key, id] = [field(body, 'key'), field(body, 'id')];
    await revoke(id);
    await sql(controlPlane.databaseUrl, AUDIT_FULL);
    expect((await use(key)).status).toBe(401);
    expect(await usesOf(`api-key:${id}`)).toEqual([]);
    await sql(controlPlane.databaseUrl, 'DROP FUNCTION refuse CASCADE');
    expect((await use(key)).status).toBe(401);
    expect(await usesOf(`api-key:${id}`)).toEqual([refused(id, 'api_key.revoked')]);
  });
});

describe('[AX-17] an agent that gets no session', () => {
  let agent: AgentClient;
  beforeEach(async () => {
    agent = await agentIn(owner, 'plant-7', controlPlane);
  });
  const newToken = (body: object = {}) => owner.call('POST', `/agents/${agent.id}/tokens`, body);
  const refused = (code: string, { id } = agent) => ({
    action: 'agent-session:create',
    outcome: 'refused',
    kind: 'agent',
    id,
    group: 'plant-7',
    details: { code },
  });

  test('since it was revoked is in the audit once, however it asks; one that is good is not', async () => {
    const token = field((await newToken()).body, 'token');
    expect((await agent.openSession()).status).toBe(200);
    expect((await agent.openSessionWith(token)).status).toBe(200);
    await owner.call('POST', `/agents/${agent.id}/revoke`);
    const asked = [await agent.openSession(), await agent.openSessionWith(token)];
    for (const reply of asked) expect(reply).toMatchObject({ body: { code: 'agent.revoked' } });
    expect(await usesOf(`agent:${agent.id}`)).toEqual([refused('agent.revoked')]);
  });

  test('by someone else’s signature is nobody that is known, and leaves nothing', async () => {
    await owner.call('POST', `/agents/${agent.id}/revoke`);
    const forger = await AgentClient.create(controlPlane.agentApp, controlPlane.clock);
    forger.enrolled = agent.enrolled;
    expect(await forger.openSession()).toMatchObject({ body: { code: 'assertion.invalid' } });
    expect(await usesOf(`agent:${agent.id}`)).toEqual([]);
  });

  test('for a token that was revoked, or whose secret is another, is in the audit; without the agent’s key nobody is', async () => {
    const { body } = await newToken();
    const [token, id] = [field(body, 'token'), field(body, 'id')];
    const forged = formatToken(mintToken('agent', id));
    expect(await agent.openSessionWith(forged)).toMatchObject({
      body: { code: 'agent_token.unknown' },
    });
    await owner.call('POST', `/agents/${agent.id}/tokens/${id}/revoke`);
    const thief = await AgentClient.create(controlPlane.agentApp, controlPlane.clock);
    expect(await thief.openSessionWith(token)).toMatchObject({ body: { code: 'dpop.invalid' } });
    expect(await usesOf(`agent-token:${id}`)).toEqual([refused('agent_token.unknown')]);
    for (const _ of [1, 2]) await agent.openSessionWith(token);
    expect(await usesOf(`agent-token:${id}`)).toEqual([
      refused('agent_token.unknown'),
      refused('agent_token.revoked'),
    ]);
  });

  test('for a token that has expired is in the audit, also when it would renew a session', async () => {
    const { body } = await newToken({ expiresInDays: 1 });
    const [token, id] = [field(body, 'token'), field(body, 'id')];
    controlPlane.clock.advance(DAY_MS - 60_000);
    expect((await agent.openSessionWith(token)).status).toBe(200);
    controlPlane.clock.advance(60_000);
    expect(await agent.renewSession()).toMatchObject({ body: { code: 'agent_token.expired' } });
    const once = refused('agent_token.expired');
    expect(await usesOf(`agent-token:${id}`)).toEqual([once]);
    controlPlane.clock.advance(HOUR_MS);
    expect(await agent.openSessionWith(token)).toMatchObject({
      body: { code: 'agent_token.expired' },
    });
    expect(await usesOf(`agent-token:${id}`)).toEqual([once, once]);
  });
});
