import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { certificateReply, PROTOCOL } from '@sallyport/contract';
import { asAdmin } from '@sallyport/testkit/database';
import { createCertificateRequest } from '@sallyport/tls/certificate-request';
import { Issuer } from '@sallyport/tls/test/issuer';
import { AgentClient } from '../agent-client.ts';
import { CertifiedAgent } from '../certified-agent.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient } from '../operator-client.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let agent: CertifiedAgent | undefined;
beforeAll(async () => {
  // OpenSSL holds certificates against the host's own clock.
  controlPlane = await startControlPlane({ startMs: Date.now(), settings: WITHOUT_WORKER });
  await controlPlane.agentApp.listen({ host: 'localhost', port: 0 });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterEach(() => agent?.close());
afterAll(() => controlPlane.end());

const refused = (code: string) => ({ status: 401, body: { code } });
async function enrolled(group = 'plant-7'): Promise<CertifiedAgent> {
  agent = await CertifiedAgent.enrolled(owner, group, controlPlane);
  return agent;
}
const leafOf = ({ identity }: CertifiedAgent) => new X509Certificate(identity?.cert ?? '');

async function rowsOf(agentId: string) {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    const text = 'SELECT * FROM agent_certificates WHERE agent_id = $1 ORDER BY id';
    return (await client.query<Record<string, unknown>>(text, [agentId])).rows;
  });
}

describe('[A7-02] [SG-23] a session by client certificate', () => {
  test('is opened by the connection alone, is bound to its certificate, and gets what the agent may have', async () => {
    const own = await enrolled();
    expect(await own.openSession()).toMatchObject({
      status: 200,
      body: { tokenType: 'Bearer', expiresInSeconds: 900, trustAnchors: [expect.any(String)] },
    });
    expect((await own.pull()).status).toBe(200);
    const renewed = await own.send('/session/renew', { protocol: PROTOCOL }, own.bearer);
    expect(renewed).toMatchObject({ status: 200, body: { tokenType: 'Bearer' } });
  });

  test('is for the agent’s SPIFFE ID alone, no CA, for client and server, and a day', async () => {
    const own = await enrolled();
    const leaf = leafOf(own);
    expect(leaf.subjectAltName).toBe(`URI:spiffe://sallyport/group/plant-7/agent/${own.client.id}`);
    expect(leaf.ca).toBe(false);
    expect(leaf.keyUsage?.toSorted()).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    const lifeMs = leaf.validToDate.getTime() - controlPlane.clock.now();
    expect(Math.abs(lifeMs - DAY_MS)).toBeLessThan(1000);
  });

  test('is refused without a certificate, with one of another CA, and with one whose key was certified for nobody', async () => {
    const own = await enrolled();
    const stranger = await Issuer.root();
    const id = `spiffe://sallyport/group/plant-7/agent/${own.client.id}`;
    const foreign = await stranger.leaf({ names: [{ type: 'url', value: id }] });
    const good = own.identity;
    own.use(undefined);
    expect(await own.openSession()).toMatchObject(refused('client_certificate.required'));
    own.use({ cert: foreign.chain, key: foreign.key });
    expect(await own.openSession()).toMatchObject(refused('client_certificate.untrusted'));
    own.use(good);
    expect((await own.openSession()).status).toBe(200);
    await asAdmin(controlPlane.databaseUrl, (client) =>
      client.query('DELETE FROM agent_certificates WHERE agent_id = $1', [own.client.id]),
    );
    expect(await own.openSession()).toMatchObject(refused('client_certificate.unknown'));
  });

  test('is of no use over another connection: without the certificate, with another agent’s, or as DPoP', async () => {
    const own = await enrolled();
    await own.openSession();
    const { accessToken } = own;
    const other = await enrolled();
    await other.openSession();
    other.accessToken = accessToken;
    expect(await other.pull()).toMatchObject(refused('access_token.invalid'));
    other.use(undefined);
    expect(await other.pull()).toMatchObject(refused('access_token.invalid'));
    own.client.accessToken = accessToken;
    expect(await own.client.pullRaw()).toMatchObject(refused('access_token.invalid'));
    expect((await own.pull()).status).toBe(200);
    own.close();
  });

  test('a session by key is not accepted as one by certificate', async () => {
    const own = await enrolled();
    await own.client.openSession();
    own.accessToken = own.client.accessToken;
    expect(await own.pull()).toMatchObject(refused('access_token.invalid'));
  });

  test('ends with the agent: whoever is revoked is refused at once, and opens no other', async () => {
    const own = await enrolled();
    await own.openSession();
    expect((await own.pull()).status).toBe(200);
    await owner.call('POST', `/agents/${own.client.id}/revoke`);
    expect(await own.pull()).toMatchObject(refused('agent.revoked'));
    expect(await own.openSession()).toMatchObject(refused('agent.revoked'));
  });

  test('is refused in a group that does not allow it, and so is an enrolment that asks for a certificate', async () => {
    const own = await enrolled('keys-only');
    await owner.call('PATCH', '/groups/keys-only', { agentMethods: ['key'] });
    expect(await own.openSession()).toMatchObject(refused('agent.method_refused'));
    const late = await AgentClient.create(controlPlane.agentApp, controlPlane.clock);
    const created = await owner.call('POST', '/groups/keys-only/enrollment-tokens', {});
    const token = field(created.body, 'token');
    const { csr } = await createCertificateRequest();
    expect(await late.enroll(token, { csr })).toMatchObject(refused('agent.method_refused'));
    expect((await late.enroll(token)).status).toBe(201);
    await late.openSession();
    const asked = await late.call('POST', '/certificate', { protocol: PROTOCOL, csr });
    expect(asked).toMatchObject(refused('agent.method_refused'));
  });

  test('ends no later than its certificate, and an expired certificate opens none', async () => {
    const own = await enrolled();
    const { clock } = controlPlane;
    clock.advance(DAY_MS - 60_000);
    expect(await own.openSession()).toMatchObject({ body: { expiresInSeconds: 60 } });
    clock.advance(60_000);
    expect(await own.openSession()).toMatchObject(refused('client_certificate.expired'));
    expect(await own.pull()).toMatchObject({ status: 401 });
    clock.advance(-DAY_MS);
  });
});

test('[F-11] the connections of an agent that is revoked are closed, also those that nothing waits on', async () => {
  const opened: TLSSocket[] = [];
  const note = (socket: TLSSocket) => void opened.push(socket);
  controlPlane.agentApp.server.on('secureConnection', note);
  const own = await enrolled();
  await own.openSession();
  await own.pull();
  controlPlane.agentApp.server.off('secureConnection', note);
  const other = await CertifiedAgent.enrolled(owner, 'plant-7', controlPlane);
  await other.openSession();
  const [idle] = opened;
  if (idle === undefined) throw new Error('the agent made no connection');
  const closed = once(idle, 'close');
  await owner.call('POST', `/agents/${own.client.id}/revoke`);
  await closed;
  expect((await other.pull()).status).toBe(200);
  other.close();
});

describe('a renewed certificate', () => {
  test('is for another key and the same agent, both open sessions until the old one ends, and each is audited', async () => {
    const own = await enrolled();
    const before = own.identity;
    await own.openSession();
    own.use(await own.renew());
    expect((await own.openSession()).status).toBe(200);
    own.use(before);
    expect((await own.openSession()).status).toBe(200);
    const thumbprints = (await rowsOf(own.client.id)).map((row) => row['key_thumbprint']);
    expect(new Set(thumbprints).size).toBe(2);
    const events = await asAdmin(controlPlane.databaseUrl, async (client) => {
      const text = "SELECT details FROM audit_events WHERE action = 'agent:certify'";
      return (await client.query<Record<string, unknown>>(text)).rows;
    });
    const certified = JSON.stringify(events);
    for (const thumbprint of thumbprints) expect(certified).toContain(thumbprint);
  });

  test('of an agent that asks without end leaves the one in use, and few others', async () => {
    const own = await enrolled();
    await own.openSession();
    for (let count = 0; count < 12; count += 1) await own.renew();
    expect(await rowsOf(own.client.id)).toHaveLength(8);
    expect((await own.openSession()).status).toBe(200);
  });

  test('is not to be had for the key that is in use', async () => {
    const own = await enrolled();
    await own.openSession();
    const { csr, key } = await createCertificateRequest();
    const body = { protocol: PROTOCOL, csr };
    const first = await own.send('/certificate', body, own.bearer);
    own.use({ cert: certificateReply.parse(first.body).certificate, key });
    await own.openSession();
    const again = await own.send('/certificate', body, own.bearer);
    expect(again).toMatchObject({ status: 400, body: { code: 'csr.invalid' } });
  });

  test('is not to be had without a session', async () => {
    const own = await enrolled();
    const { csr } = await createCertificateRequest();
    const body = { protocol: PROTOCOL, csr };
    expect(await own.send('/certificate', body)).toMatchObject(refused('access_token.required'));
  });
});

describe('[F-06] an agent whose certificate has ended', () => {
  test('gets a new one with its key, and nothing else, where the key opens no sessions', async () => {
    const own = await enrolled('mutual');
    await owner.call('PATCH', '/groups/mutual', { agentMethods: ['certificate'] });
    controlPlane.clock.advance(6 * DAY_MS);
    expect((await own.client.openSession()).status).toBe(200);
    expect(await own.client.pullRaw()).toMatchObject(refused('client_certificate.required'));
    const { csr } = await createCertificateRequest();
    const body = { protocol: PROTOCOL, csr };
    expect(await own.client.call('POST', '/certificate', body)).toMatchObject({ status: 200 });
    controlPlane.clock.advance(-6 * DAY_MS);
  });

  test('is refused after the days of recovery', async () => {
    const own = await enrolled('mutual');
    controlPlane.clock.advance(8 * DAY_MS + HOUR_MS);
    expect(await own.client.openSession()).toMatchObject(refused('agent.method_refused'));
    controlPlane.clock.advance(-8 * DAY_MS - HOUR_MS);
    expect((await own.client.openSession()).status).toBe(200);
  });

  test('[SG-09] has these days anew once it is moved to a group that asks for a certificate', async () => {
    const own = await enrolled('by-key');
    controlPlane.clock.advance(30 * DAY_MS);
    owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    await owner.call('POST', `/agents/${own.client.id}/move`, { group: 'mutual' });
    expect((await own.client.openSession()).status).toBe(200);
    const { csr } = await createCertificateRequest();
    const body = { protocol: PROTOCOL, csr };
    expect(await own.client.call('POST', '/certificate', body)).toMatchObject({ status: 200 });
    // From one group of certificates to another they do not come back.
    controlPlane.clock.advance(9 * DAY_MS);
    owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    expect(await own.client.openSession()).toMatchObject(refused('agent.method_refused'));
    await owner.call('POST', '/groups', { name: 'mutual-2' });
    await owner.call('PATCH', '/groups/mutual-2', { agentMethods: ['certificate'] });
    await owner.call('POST', `/agents/${own.client.id}/move`, { group: 'mutual-2' });
    expect(await own.client.openSession()).toMatchObject(refused('agent.method_refused'));
    controlPlane.clock.advance(-39 * DAY_MS);
  });
});

test('[A7-04] [AX-21] neither the certificate nor its key is in the database or the log, but serial and thumbprint', async () => {
  const own = await enrolled();
  await own.openSession();
  await own.renew();
  const [row] = await rowsOf(own.client.id);
  expect(row).toMatchObject({ serial_number: leafOf(own).serialNumber.toLowerCase() });
  const dump = await asAdmin(controlPlane.databaseUrl, async (client) => {
    const tables = await client.query<{ name: string }>(
      "SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'public'",
    );
    const rows: string[] = [];
    for (const { name } of tables.rows) {
      const { rows: found } = await client.query<{ text: string }>(
        `SELECT row_to_json(t)::text AS text FROM ${name} t`,
      );
      rows.push(...found.map(({ text }) => text));
    }
    return rows.join('\n');
  });
  expect(dump).toContain(own.client.id);
  const { raw } = leafOf(own);
  for (const encoded of ['base64', 'base64url', 'hex'] as const) {
    expect(dump).not.toContain(raw.toString(encoded).slice(40, 100));
    expect(controlPlane.logged()).not.toContain(raw.toString(encoded).slice(40, 100));
  }
});

test('an agent of the protocol before certificates is told of no CAs', async () => {
  const old = await agentIn(owner, 'plant-7', controlPlane);
  const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  const payload = { protocol: 3, grantType, assertion: await old.assertion() };
  const url = '/agent/v1/session';
  const reply = await controlPlane.agentApp.inject({ method: 'POST', url, payload });
  expect(reply.json()).toEqual({
    accessToken: expect.any(String),
    tokenType: 'DPoP',
    expiresInSeconds: 900,
  });
});
