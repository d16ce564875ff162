import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signEnrollmentProof } from '@sallyport/crypto/assertion';
import { formatToken, mintToken } from '@sallyport/crypto/token';
import { asAdmin } from '@sallyport/testkit/database';
import { forgetExpired } from '../../src/maintenance/forget-expired.ts';
import { markLostAgents } from '../../src/maintenance/maintenance.ts';
import { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { field, OperatorClient } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
});
afterAll(() => controlPlane.end());

const tokens = '/groups/plant-7/enrollment-tokens';
const newToken = async (limits: object = {}) => (await owner.call('POST', tokens, limits)).body;
const newAgent = () => AgentClient.create(controlPlane.agentApp, controlPlane.clock);

/** Rows of the database under test. */
async function query(sql: string): Promise<Record<string, unknown>[]> {
  let found: Record<string, unknown>[] = [];
  await asAdmin(controlPlane.databaseUrl, async (client) => {
    found = (await client.query<Record<string, unknown>>(sql)).rows;
  });
  return found;
}

describe('enrolment', () => {
  test('[SG-22] a one-time token enrols once; its second use is refused and audited', async () => {
    const token = field(await newToken(), 'token');
    expect((await (await newAgent()).enroll(token)).status).toBe(201);
    expect(await (await newAgent()).enroll(token)).toMatchObject({
      status: 401,
      body: { code: 'token.used_up' },
    });
    const [event] = await query(
      `SELECT details FROM audit_events WHERE action = 'agent:enroll' AND outcome = 'refused'`,
    );
    expect(event).toEqual({ details: { code: 'token.used_up' } });
  });

  test('[SG-22] two agents may have one name, and are two in the list and in the audit', async () => {
    const token = field(await newToken({ uses: 2 }), 'token');
    const ids: string[] = [];
    for (const twin of [await newAgent(), await newAgent()]) {
      expect((await twin.enroll(token, { name: 'twin' })).status).toBe(201);
      ids.push(twin.id);
    }
    const listed = (await owner.call('GET', '/groups/plant-7/agents')).body;
    for (const id of ids)
      expect(listed).toMatchObject({
        items: expect.arrayContaining([expect.objectContaining({ id, name: 'twin' })]),
      });
    const events = await query(
      `SELECT actor_id AS id FROM audit_events WHERE action = 'agent:enroll' AND actor_name = 'twin' ORDER BY seq`,
    );
    expect(events).toEqual(ids.map((id) => ({ id })));
  });

  test('[AX-17] an expired, a revoked, an unknown and a mistyped token are refused, each with its reason', async () => {
    const expired = field(await newToken({ expiresInSeconds: 1 }), 'token');
    controlPlane.clock.advance(1_001);
    expect(await (await newAgent()).enroll(expired)).toMatchObject({
      status: 401,
      body: { code: 'token.expired' },
    });

    const revoked = await newToken();
    expect((await owner.call('DELETE', `${tokens}/${field(revoked, 'id')}`)).status).toBe(204);
    expect(await (await newAgent()).enroll(field(revoked, 'token'))).toMatchObject({
      status: 401,
      body: { code: 'token.revoked' },
    });

    const other = await startControlPlane();
    const stranger = await OperatorClient.signedIn(other.operatorApp);
    await stranger.call('POST', '/groups', { name: 'plant-7' });
    const unknown = field((await stranger.call('POST', tokens, {})).body, 'token');
    await other.end();
    expect(await (await newAgent()).enroll(unknown)).toMatchObject({
      status: 401,
      body: { code: 'token.unknown' },
    });

    const mistyped = `${unknown.slice(0, -1)}${unknown.endsWith('x') ? 'y' : 'x'}`;
    const refused = await (await newAgent()).enroll(mistyped);
    expect(refused).toMatchObject({ status: 401, body: { code: 'token.malformed' } });
    expect(refused.text).not.toContain(mistyped);
  });

  test('[AX-17] [AT-01] a token that was made up for the id of a real one is refused like an unknown one', async () => {
    const created = await newToken();
    const forged = formatToken(mintToken('enroll', field(created, 'id')));
    expect(await (await newAgent()).enroll(forged)).toMatchObject({
      status: 401,
      body: { code: 'token.unknown' },
    });
    expect((await (await newAgent()).enroll(field(created, 'token'))).status).toBe(201);
  });

  test('a token bound to a network is refused from another address', async () => {
    const token = field(await newToken({ cidrs: ['10.1.0.0/16'] }), 'token');
    expect(await (await newAgent()).enroll(token, {}, '10.2.0.1')).toMatchObject({
      status: 401,
      body: {
        code: 'token.address_refused',
        detail: expect.stringContaining('ask an operator for one for this network'),
      },
    });
    expect((await (await newAgent()).enroll(token, {}, '10.1.2.3')).status).toBe(201);
  });

  test('an IPv4 address is in its network, and itself in the audit, also at a socket of both families', async () => {
    const token = field(await newToken({ cidrs: ['10.1.0.0/16'] }), 'token');
    const agent = await newAgent();
    expect((await agent.enroll(token, {}, '::ffff:10.1.2.3')).status).toBe(201);
    const sql = `SELECT address FROM audit_events WHERE action = 'agent:enroll' AND actor_id = '${agent.id}'`;
    expect(await query(sql)).toEqual([{ address: '10.1.2.3' }]);
  });

  test('[AX-21] a private key in the body is refused, and only public keys are in the rows', async () => {
    const token = field(await newToken(), 'token');
    const agent = await newAgent();
    const refused = await agent.enroll(token, {
      signingKey: { ...agent.signing.publicJwk, d: 'A'.repeat(43) },
    });
    expect(refused).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
    expect((await agent.enroll(token)).status).toBe(201);
    const [row] = await query(
      `SELECT signing_key, encryption_key FROM agents WHERE id = '${agent.id}'`,
    );
    expect(row).toEqual({
      signing_key: agent.signing.publicJwk,
      encryption_key: agent.encryption.publicJwk,
    });
  });

  test.each([
    ['zero', '00'.repeat(32)],
    ['one', `01${'00'.repeat(31)}`],
    ['of order eight', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
  ])(
    'an encryption key to which nothing can be sealed, the point %s, is refused and takes no use',
    async (_, hex) => {
      const token = field(await newToken(), 'token');
      const agent = await newAgent();
      const x = Buffer.from(hex, 'hex').toString('base64url');
      const encryptionKey = { ...agent.encryption.publicJwk, x };
      const now = controlPlane.clock.now();
      const proof = await signEnrollmentProof(agent.signing, token, encryptionKey, now);
      expect(await agent.enroll(token, { encryptionKey, proof })).toMatchObject({
        status: 400,
        body: { code: 'request.invalid', issues: [{ field: 'body.encryptionKey.x' }] },
      });
      expect((await agent.enroll(token)).status).toBe(201);
    },
  );

  test('an agent that enrols and never pulls is lost like one that falls silent, but not at once', async () => {
    const agent = await newAgent();
    await agent.enroll(field(await newToken(), 'token'));
    const state = async () => {
      await markLostAgents(controlPlane.platform);
      return (await owner.call('GET', `/agents/${agent.id}`)).body;
    };
    expect(await state()).toMatchObject({ state: 'active', lastSeenAt: null });
    controlPlane.clock.advance(60 * 60_000);
    expect(await state()).toMatchObject({ state: 'lost', lastSeenAt: null });
  });

  test('[A7-03] the database holds no token, only PBKDF2 hashes', async () => {
    const secretPart =
      field(await newToken(), 'token')
        .split('_')[3]
        ?.slice(0, 43) ?? '';
    const rows = await query(
      'SELECT secret_hash FROM enrollment_tokens UNION ALL SELECT secret_hash FROM operator_sessions',
    );
    for (const { secret_hash: hash } of rows) expect(hash).toMatch(/^\$pbkdf2-sha512\$i=\d+\$/);
    expect(JSON.stringify(rows)).not.toContain(secretPart);
  });

  test('an agent of an unknown protocol is told what this control plane speaks', async () => {
    const token = field(await newToken(), 'token');
    expect(await (await newAgent()).enroll(token, { protocol: 99 })).toMatchObject({
      status: 400,
      body: { code: 'protocol.unsupported' },
    });
  });
});

describe('sessions by signed assertion', () => {
  test('[AX-19] a signed assertion opens a session; its replay, another key and a skewed clock are refused', async () => {
    const agent = await newAgent();
    await agent.enroll(field(await newToken(), 'token'));
    const assertion = await agent.assertion();
    expect((await agent.openSession(assertion)).status).toBe(200);
    expect(await agent.openSession(assertion)).toMatchObject({
      status: 401,
      body: { code: 'assertion.replayed' },
    });

    const impostor = await newAgent();
    impostor.enrolled = agent.enrolled;
    expect(await impostor.openSession()).toMatchObject({
      status: 401,
      body: { code: 'assertion.invalid' },
    });

    const late = await agent.assertion();
    controlPlane.clock.advance(10 * 60_000);
    expect(await agent.openSession(late)).toMatchObject({
      status: 401,
      body: { code: 'clock.skewed' },
    });
  });

  test('[AX-19] what was shown once is refused for as long as it would be good, by an agent whose clock is ahead too', async () => {
    const { agentApp, clock, platform } = controlPlane;
    const ahead = { now: () => clock.now() + 59_000 };
    const agent = await AgentClient.create(agentApp, ahead);
    await agent.enroll(field(await newToken(), 'token'));
    const [used, unused] = [await agent.assertion(), await agent.assertion()];
    expect((await agent.openSession(used)).status).toBe(200);
    const bundle = '/revisions/1/bundle';
    const [shown, kept] = [agent.dpop('GET', bundle), agent.dpop('GET', bundle)];
    const ask = async (dpop: string) => (await agent.call('GET', bundle, undefined, { dpop })).body;
    expect(await ask(shown)).toMatchObject({ code: 'bundle.not_found' });

    clock.advance(59_000 + 58_000);
    await forgetExpired(platform);
    expect(await ask(shown)).toMatchObject({ code: 'dpop.replayed' });
    expect(await ask(kept)).toMatchObject({ code: 'bundle.not_found' });
    clock.advance(58_000);
    await forgetExpired(platform);
    expect((await agent.openSession(used)).body).toMatchObject({ code: 'assertion.replayed' });
    expect((await agent.openSession(unused)).status).toBe(200);
  });

  test('[AX-19] an access token that was accepted before is refused once it has expired; a new session is not', async () => {
    const agent = await newAgent();
    await agent.enroll(field(await newToken(), 'token'));
    await agent.openSession();
    expect((await agent.pullRaw()).status).toBe(200);
    expect((await agent.pullRaw()).status).toBe(200);
    controlPlane.clock.advance((15 * 60 + 61) * 1000);
    expect(await agent.pullRaw()).toMatchObject({
      status: 401,
      body: { code: 'access_token.expired' },
    });
    await agent.openSession();
    expect((await agent.pullRaw()).status).toBe(200);
  });

  test('a DPoP proof is good for one request, one URL and one key', async () => {
    const agent = await newAgent();
    await agent.enroll(field(await newToken(), 'token'));
    await agent.openSession();
    const dpop = agent.dpop('GET', '/revisions/1/bundle');
    expect(
      (await agent.call('GET', '/revisions/1/bundle', undefined, { dpop })).body,
    ).toMatchObject({ code: 'bundle.not_found' });
    expect(
      (await agent.call('GET', '/revisions/1/bundle', undefined, { dpop })).body,
    ).toMatchObject({ code: 'dpop.replayed' });
    const elsewhere = agent.dpop('GET', '/revisions/2/bundle');
    expect(
      (await agent.call('GET', '/revisions/1/bundle', undefined, { dpop: elsewhere })).body,
    ).toMatchObject({ code: 'dpop.invalid' });

    const thief = await newAgent();
    thief.accessToken = agent.accessToken;
    expect((await thief.call('GET', '/revisions/1/bundle')).body).toMatchObject({
      code: 'dpop.invalid',
    });
    expect(
      (await thief.call('GET', '/revisions/1/bundle', undefined, { authorization: '' })).body,
    ).toMatchObject({ code: 'access_token.required' });
  });
});
