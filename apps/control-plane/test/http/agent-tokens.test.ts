import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { CLOCK_TOLERANCE_SECONDS } from '@sallyport/crypto/jwt';
import { formatToken, mintToken } from '@sallyport/crypto/token';
import { asAdmin } from '@sallyport/testkit/database';
import { decodeJwt } from 'jose';
import { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

const DAY_MS = 24 * 3_600_000;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let agent: AgentClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
});
beforeEach(async () => {
  // The clock of the tests goes on for days.
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  agent = await agentIn(owner, 'plant-7', controlPlane);
});
afterAll(() => controlPlane.end());

const tokens = (of = agent) => `/agents/${of.id}/tokens`;
const newToken = (body: object = {}, of = agent) => owner.call('POST', tokens(of), body);
const refused = (code: string) => ({ status: 401, body: { code } });

async function sql(statement: string): Promise<Record<string, unknown>[]> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  });
}

describe('[A7-02] [SG-23] a session by agent token', () => {
  test('[AX-17] is opened with the token and a proof by the agent’s key, and gets what the agent may have', async () => {
    const created = await newToken();
    expect(created).toMatchObject({ status: 201, body: { state: 'active', lastUsedAt: null } });
    expect(await agent.openSessionWith(field(created.body, 'token'))).toMatchObject({
      status: 200,
      body: { tokenType: 'DPoP', expiresInSeconds: 900 },
    });
    expect((await agent.pullRaw()).status).toBe(200);
    expect((await owner.call('GET', tokens())).body).toMatchObject({
      items: [{ lastUsedAt: expect.any(String) }],
    });
  });

  test('is refused without a proof, with one by another key, and with one that was used before', async () => {
    const token = field((await newToken()).body, 'token');
    expect(await agent.openSessionWith(token, {})).toMatchObject(refused('dpop.invalid'));
    const thief = await AgentClient.create(controlPlane.agentApp, controlPlane.clock);
    expect(await thief.openSessionWith(token)).toMatchObject(refused('dpop.invalid'));
    const dpop = agent.entryProof();
    expect((await agent.openSessionWith(token, { dpop })).status).toBe(200);
    expect(await agent.openSessionWith(token, { dpop })).toMatchObject(refused('dpop.replayed'));
  });

  test('[AX-17] [AT-01] is refused with another agent’s, an unknown, a made-up and a mistyped token, each with its reason', async () => {
    const created = await newToken();
    const token = field(created.body, 'token');
    const other = await agentIn(owner, 'plant-7', controlPlane);
    expect(await other.openSessionWith(token)).toMatchObject(refused('dpop.invalid'));
    const unknown = formatToken(mintToken('agent', '01890a5d-ac96-774b-bcce-b302099a8057'));
    expect(await agent.openSessionWith(unknown)).toMatchObject(refused('agent_token.unknown'));
    const forged = formatToken(mintToken('agent', field(created.body, 'id')));
    expect(await agent.openSessionWith(forged)).toMatchObject(refused('agent_token.unknown'));
    const mistyped = await agent.openSessionWith(`${token.slice(0, -1)}?`);
    expect(mistyped).toMatchObject(refused('agent_token.malformed'));
    expect(mistyped.text).not.toContain(token.slice(0, -1));
    const enrolling = formatToken(mintToken('enroll', field(created.body, 'id')));
    expect(await agent.openSessionWith(enrolling)).toMatchObject(refused('agent_token.malformed'));
  });

  test('[AX-17] ends with the token, but for the tolerance of clocks, and an expired token opens none and renews none', async () => {
    const token = field((await newToken({ expiresInDays: 1 })).body, 'token');
    controlPlane.clock.advance(DAY_MS - 60_000);
    expect(await agent.openSessionWith(token)).toMatchObject({ body: { expiresInSeconds: 60 } });
    expect((await agent.pullRaw()).status).toBe(200);
    controlPlane.clock.advance(60_000);
    expect(await agent.openSessionWith(token)).toMatchObject(refused('agent_token.expired'));
    expect(await agent.renewSession()).toMatchObject(refused('agent_token.expired'));
    controlPlane.clock.advance(CLOCK_TOLERANCE_SECONDS * 1000);
    expect(await agent.pullRaw()).toMatchObject(refused('access_token.expired'));
  });

  test('[A7-03] whose text is nowhere in the database, only its hash', async () => {
    const created = await newToken();
    const [row] = await sql(
      `SELECT t::text FROM agent_tokens t WHERE id = '${field(created.body, 'id')}'`,
    );
    const secret = field(created.body, 'token').split('_')[3]?.slice(0, 43) ?? '';
    expect(JSON.stringify(row)).toContain('$pbkdf2-sha512$');
    expect(JSON.stringify(row)).not.toContain(secret);
    expect((await owner.call('GET', tokens())).text).not.toContain(secret);
    expect(controlPlane.logged()).not.toContain(secret);
  });
});

describe('revoking an agent token', () => {
  test('[AX-17] [AT-11] ends the sessions that it opened, and answers a pull that waits; another token goes on', async () => {
    const [first, second] = [await newToken(), await newToken()];
    await agent.openSessionWith(field(first.body, 'token'));
    await agent.pull();
    const waiting = agent.pullRaw(30);
    expect(await revoke(first)).toMatchObject({ status: 204 });
    expect(await waiting).toMatchObject(refused('agent_token.revoked'));
    expect(await agent.pullRaw()).toMatchObject(refused('agent_token.revoked'));
    expect(await agent.renewSession()).toMatchObject(refused('agent_token.revoked'));
    const again = await agent.openSessionWith(field(first.body, 'token'));
    expect(again).toMatchObject(refused('agent_token.revoked'));
    expect((await agent.openSessionWith(field(second.body, 'token'))).status).toBe(200);
    expect((await agent.pullRaw()).status).toBe(204);
  });

  test('twice is the same as once, with one event; of another agent it is not found', async () => {
    const created = await newToken();
    for (const _ of [1, 2]) expect((await revoke(created)).status).toBe(204);
    const subject = `agent-token:${field(created.body, 'id')}`;
    const events = `SELECT action FROM audit_events WHERE subject = '${subject}' ORDER BY seq`;
    expect(await sql(events)).toEqual([
      { action: 'agent-token:create' },
      { action: 'agent-token:revoke' },
    ]);
    const other = await agentIn(owner, 'plant-7', controlPlane);
    expect(await revoke(created, other)).toMatchObject({
      status: 404,
      body: { code: 'agent_token.not_found' },
    });
  });

  function revoke(created: Reply, of = agent): Promise<Reply> {
    return owner.call('POST', `${tokens(of)}/${field(created.body, 'id')}/revoke`);
  }
});

describe('[AT-09] rotating an agent token', () => {
  test('[AT-10] gives a new one while the old goes on for the overlap, and no longer, and none for one that has ended', async () => {
    const old = await newToken();
    const path = `${tokens()}/${field(old.body, 'id')}/rotate`;
    const next = await owner.call('POST', path, { overlapSeconds: 3600 });
    expect(next.status).toBe(201);
    for (const { body } of [old, next])
      expect((await agent.openSessionWith(field(body, 'token'))).status).toBe(200);
    controlPlane.clock.advance(3600_000);
    expect(await agent.openSessionWith(field(old.body, 'token'))).toMatchObject(
      refused('agent_token.expired'),
    );
    expect((await agent.openSessionWith(field(next.body, 'token'))).status).toBe(200);
    expect(await owner.call('POST', path, {})).toMatchObject({
      status: 404,
      body: { code: 'agent_token.not_found' },
    });
    const revoked = `${tokens()}/${field(next.body, 'id')}`;
    await owner.call('POST', `${revoked}/revoke`);
    expect((await owner.call('POST', `${revoked}/rotate`, {})).status).toBe(404);
  });

  test('an agent has a few at a time, also when they are made at once', async () => {
    const made = await Promise.all(Array.from({ length: 7 }, () => newToken()));
    expect(made.map(({ status }) => status).toSorted()).toEqual([
      201, 201, 201, 201, 201, 409, 409,
    ]);
    expect(made.find(({ status }) => status === 409)?.body).toMatchObject({
      code: 'agent_token.too_many',
    });
  });
});

describe('renewing a session', () => {
  test.each(['key', 'token'] as const)(
    'gives another access token of the same standing, by %s',
    async (method) => {
      const token = field((await newToken()).body, 'token');
      await (method === 'key' ? agent.openSession() : agent.openSessionWith(token));
      const before = agent.accessToken ?? '';
      controlPlane.clock.advance(60_000);
      expect((await agent.renewSession()).status).toBe(200);
      const { iat: _, exp: __, ...standing } = decodeJwt(before);
      expect(decodeJwt(agent.accessToken ?? '')).toMatchObject({ ...standing, method });
      expect(agent.accessToken).not.toBe(before);
      expect((await agent.pullRaw()).status).toBe(200);
    },
  );

  test('is refused when the session has ended, without a proof, and to a revoked agent', async () => {
    await agent.openSession();
    const headers = { dpop: '' };
    const unproved = await agent.call('POST', '/session/renew', { protocol: 3 }, headers);
    expect(unproved).toMatchObject(refused('dpop.invalid'));
    controlPlane.clock.advance((15 * 60 + 61) * 1000);
    expect(await agent.renewSession()).toMatchObject(refused('access_token.expired'));
    await agent.openSession();
    await owner.call('POST', `/agents/${agent.id}/revoke`);
    expect(await agent.renewSession()).toMatchObject(refused('agent.revoked'));
  });

  test('hashes nothing: it works while every hash is refused', async () => {
    const token = field((await newToken()).body, 'token');
    await agent.openSessionWith(token);
    const { agentTokenHashing } = controlPlane.platform;
    let free = (): void => {};
    const held = agentTokenHashing.run(() => new Promise<void>((resolve) => (free = resolve)));
    const queued = Array.from({ length: 64 }, () => agentTokenHashing.run(async () => {}));
    const other = await agentIn(owner, 'plant-7', controlPlane);
    const late = await newToken({}, other);
    expect(await other.openSessionWith(field(late.body, 'token'))).toMatchObject({
      status: 429,
      body: { code: 'hashing.busy' },
    });
    expect((await agent.renewSession()).status).toBe(200);
    free();
    await Promise.all([held, ...queued]);
  });
});

describe('[SG-23] the hashing of agent tokens', () => {
  let release: () => void;
  let held: Promise<unknown>;
  /** Nothing is hashed until `release`. */
  beforeEach(() => {
    const { promise, resolve } = Promise.withResolvers<void>();
    release = resolve;
    held = controlPlane.platform.agentTokenHashing.run(() => promise);
  });
  afterEach(async () => {
    release();
    await held;
  });

  test('is not done for an agent that was revoked, nor for a token that was revoked or has expired', async () => {
    const [revoked, expired] = [await newToken(), await newToken()];
    await owner.call('POST', `${tokens()}/${field(revoked.body, 'id')}/revoke`);
    await owner.call('POST', `${tokens()}/${field(expired.body, 'id')}/rotate`, {
      overlapSeconds: 0,
    });
    const openWith = (created: Reply) => agent.openSessionWith(field(created.body, 'token'));
    expect(await openWith(revoked)).toMatchObject(refused('agent_token.revoked'));
    expect(await openWith(expired)).toMatchObject(refused('agent_token.expired'));
    const active = await newToken();
    await owner.call('POST', `/agents/${agent.id}/revoke`);
    expect(await openWith(active)).toMatchObject(refused('agent.revoked'));
  });

  test('is taken in turns: an agent that tries secrets by the hundred keeps no other out', async () => {
    const created = await newToken();
    const forged = () => formatToken(mintToken('agent', field(created.body, 'id')));
    const tries = Array.from({ length: 100 }, () => agent.openSessionWith(forged()));
    expect(await Promise.race(tries)).toMatchObject({ status: 429 });
    const other = await agentIn(owner, 'plant-7', controlPlane);
    const opening = other.openSessionWith(field((await newToken({}, other)).body, 'token'));
    // Refused at once, while the other's waits.
    expect(await agent.openSessionWith(forged())).toMatchObject({ status: 429 });
    release();
    expect((await opening).status).toBe(200);
    const codes = (await Promise.all(tries)).map(({ body }) => field(body, 'code'));
    expect(new Set(codes)).toEqual(new Set(['hashing.busy', 'agent_token.unknown']));
  });
});

describe('[SG-37] the ways that a group’s agents may open sessions', () => {
  afterEach(() => allow('key', 'token'));
  const allow = (...agentMethods: string[]) =>
    owner.call('PATCH', '/groups/plant-7', { agentMethods });

  test('are set for the group: another is refused, also to renew what it opened before', async () => {
    const token = field((await newToken()).body, 'token');
    await agent.openSession();
    expect(await allow('token')).toMatchObject({ status: 200, body: { agentMethods: ['token'] } });
    expect(await agent.openSession()).toMatchObject(refused('agent.method_refused'));
    expect(await agent.renewSession()).toMatchObject(refused('agent.method_refused'));
    expect((await agent.openSessionWith(token)).status).toBe(200);
    await allow('key');
    expect(await agent.openSessionWith(token)).toMatchObject(refused('agent.method_refused'));
    expect((await agent.openSession()).status).toBe(200);
  });

  test('are recorded as they were before each change and after it, also when some are made at once', async () => {
    await Promise.all(['token', 'key', 'token', 'key', 'token', 'key'].map((way) => allow(way)));
    const events = await sql(
      `SELECT details->'before' AS before, details->'after' AS after FROM audit_events
       WHERE action = 'group:update' ORDER BY id`,
    );
    expect(events.slice(1).map(({ before }) => before)).toEqual(
      events.slice(0, -1).map(({ after }) => after),
    );
  });

  test('are one at least, each once, and known', async () => {
    for (const methods of [[], ['key', 'key'], ['password']])
      expect(await allow(...methods)).toMatchObject({
        status: 400,
        body: { code: 'request.invalid' },
      });
  });
});
