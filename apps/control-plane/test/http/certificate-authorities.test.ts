import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { certificateAuthorityList, PROTOCOL, sessionReply } from '@sallyport/contract';
import { asAdmin } from '@sallyport/testkit/database';
import { createCertificateRequest } from '@sallyport/tls/certificate-request';
import { fetchPinnedCa } from '@sallyport/tls/pin';
import { CertifiedAgent } from '../certified-agent.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { lockWaits } from '../lock-waits.ts';
import { field, OperatorClient } from '../operator-client.ts';

const path = '/certificate-authorities';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
const agents: CertifiedAgent[] = [];
beforeAll(async () => {
  controlPlane = await startControlPlane({ startMs: Date.now(), settings: WITHOUT_WORKER });
  await controlPlane.agentApp.listen({ host: 'localhost', port: 0 });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterEach(() => {
  for (const agent of agents.splice(0)) agent.close();
});
afterAll(() => controlPlane.end());

async function enrolled(): Promise<CertifiedAgent> {
  const agent = await CertifiedAgent.enrolled(owner, 'plant-7', controlPlane);
  agents.push(agent);
  return agent;
}
const wrongState = { status: 409, body: { code: 'certificate_authority.wrong_state' } };

async function authorities() {
  const { body } = await owner.call('GET', path);
  return certificateAuthorityList.parse(body).items;
}
async function inState(state: string) {
  const found = (await authorities()).find((each) => each.state === state);
  if (found === undefined) throw new Error(`no CA is ${state}`);
  return found;
}
/** As if a day had passed for what a CA issued to agents. */
async function letExpire(authorityId: string): Promise<void> {
  await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query('UPDATE agent_certificates SET expires_at = issued_at WHERE authority_id = $1', [
      authorityId,
    ]),
  );
}
async function become(verb: 'activate' | 'retire', state: string): Promise<number> {
  const { id } = await inState(state);
  return (await owner.call('POST', `${path}/${id}/${verb}`)).status;
}

/** The issuer of what the agent API shows to somebody who trusts `ca` alone; throws where that is not enough. */
async function issuerFor(ca: string | string[]): Promise<string> {
  const { port } = new URL(controlPlane.agentApp.listeningOrigin);
  const socket = connect({ host: 'localhost', servername: 'localhost', port: Number(port), ca });
  await once(socket, 'secureConnect');
  const issuer = socket.getPeerX509Certificate()?.issuer ?? '';
  socket.destroy();
  return issuer;
}

/** Until the replica has heard of it, which the wake-up tells; then it must be so for who trusts `others` alone too. */
async function served(by: { certificate: string }, ...others: string[]): Promise<void> {
  const { subject } = new X509Certificate(by.certificate);
  const known = (await authorities()).map(({ certificate }) => certificate);
  while ((await issuerFor(known)) !== subject);
  for (const ca of others) expect(await issuerFor(ca)).toBe(subject);
}

test('[AX-16] a rotation in phases strands nobody, also who was away for all of it', async () => {
  const online = await enrolled();
  const away = await enrolled();
  await online.openSession();
  const first = await inState('active');

  expect(await owner.call('POST', path)).toMatchObject({
    status: 201,
    body: { state: 'prepared' },
  });
  const next = await inState('prepared');
  await served(first, first.certificate);
  // Known to whoever asks before it issues anything.
  while (true) {
    const { body } = await online.openSession();
    if (sessionReply.parse(body).trustAnchors?.length === 2) break;
  }
  expect(await owner.call('POST', path)).toMatchObject(wrongState);

  expect(await become('activate', 'prepared')).toBe(200);
  // Who knows the old CA alone is led to the new one by the chain.
  await served(next, next.certificate, first.certificate);
  expect((await fetchPinnedCa(urlOf(), next.fingerprint)).trim()).toBe(next.certificate);
  expect((await away.openSession()).status).toBe(200);

  const { id } = await inState('superseded');
  const inUse = { status: 409, body: { code: 'certificate_authority.in_use' } };
  expect(await owner.call('POST', `${path}/${id}/retire`)).toMatchObject(inUse);
  for (const agent of [online, away]) {
    await agent.openSession();
    agent.use(await agent.renew());
    expect(new X509Certificate(agent.identity?.cert ?? '').issuer).toBe(
      new X509Certificate(next.certificate).subject,
    );
  }
  // The certificates that they left behind last a day.
  await letExpire(first.id);
  expect(await become('retire', 'superseded')).toBe(200);
  await served(next, first.certificate);
  for (const agent of [online, away]) {
    expect((await agent.openSession()).status).toBe(200);
    expect((await agent.pull()).status).toBe(200);
  }
});

test('what a retired CA issued opens no session, and its key is gone', async () => {
  const agent = await enrolled();
  const before = await inState('active');
  await owner.call('POST', path);
  expect(await become('activate', 'prepared')).toBe(200);
  await letExpire(before.id);
  expect(await become('retire', 'superseded')).toBe(200);
  await served(await inState('active'), before.certificate);
  const refusal = { status: 401, body: { code: 'client_certificate.untrusted' } };
  expect(await agent.openSession()).toMatchObject(refusal);
  const rows = await asAdmin(controlPlane.databaseUrl, async (client) => {
    const text = "SELECT sealed_private_key FROM certificate_authorities WHERE state = 'retired'";
    return (await client.query<Record<string, unknown>>(text)).rows;
  });
  expect(rows.map((row) => row['sealed_private_key'])).toEqual([null, null]);
});

describe('a CA that is retired meanwhile', () => {
  test('issues nothing more, also by a replica that has not heard of it', async () => {
    const agent = await enrolled();
    await agent.openSession();
    const { id } = await inState('active');
    const set = (state: string) =>
      asAdmin(controlPlane.databaseUrl, (client) =>
        client.query('UPDATE certificate_authorities SET state = $1 WHERE id = $2', [state, id]),
      );
    await set('retired');
    try {
      const { csr } = await createCertificateRequest();
      const body = { protocol: PROTOCOL, csr };
      expect(await agent.send('/certificate', body, agent.bearer)).toMatchObject({
        status: 503,
        body: { code: 'server.unavailable' },
      });
    } finally {
      await set('active');
    }
    await agent.renew();
  });

  test.each([
    { what: 'retiring', verb: 'retire', code: 'certificate_authority.in_use' },
    { what: 'deleting', verb: undefined, code: 'certificate_authority.wrong_state' },
  ])('$what waits for what is being issued by it, and is refused then', async ({ verb, code }) => {
    const agent = await enrolled();
    const before = await inState('active');
    await owner.call('POST', path);
    expect(await become('activate', 'prepared')).toBe(200);
    await letExpire(before.id);
    const next = await inState('active');
    // As after a way back, which one replica has not heard of: it issues by the one that is prepared again.
    if (verb === undefined) expect(await become('activate', 'superseded')).toBe(200);
    const id = verb === undefined ? next.id : before.id;
    const refusal = await whileIssuedBy(id, agent.client.id, () =>
      verb === undefined
        ? owner.call('DELETE', `${path}/${id}`)
        : owner.call('POST', `${path}/${id}/${verb}`),
    );
    expect(refusal).toMatchObject({ status: 409, body: { code } });
    if (verb !== undefined) expect(await become('activate', 'superseded')).toBe(200);
    await letExpire(next.id);
    expect((await owner.call('DELETE', `${path}/${next.id}`)).status).toBe(204);
  });
});

/** Asks while a certificate of this CA is issued to the agent, in a transaction that ends once the question waits for it. */
async function whileIssuedBy<Reply>(
  authorityId: string,
  agentId: string,
  ask: () => Promise<Reply>,
): Promise<Reply> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT 1 FROM certificate_authorities WHERE id = $1 FOR KEY SHARE', [
      authorityId,
    ]);
    await client.query(
      `UPDATE agent_certificates SET authority_id = $1, expires_at = now() + interval '1 day'
       WHERE agent_id = $2`,
      [authorityId, agentId],
    );
    const asked = ask();
    await lockWaits(controlPlane.databaseUrl);
    await client.query('COMMIT');
    return asked;
  });
}

describe('a rotation that is given up', () => {
  test('before it begins leaves nothing behind', async () => {
    const known = await authorities();
    const { body } = await owner.call('POST', path);
    expect(await owner.call('DELETE', `${path}/${field(body, 'id')}`)).toMatchObject({
      status: 204,
    });
    expect(await authorities()).toEqual(known);
  });

  test('after the new CA took over goes back to the old one, and both are trusted', async () => {
    const old = await inState('active');
    await owner.call('POST', path);
    const next = await inState('prepared');
    expect(await become('activate', 'prepared')).toBe(200);
    await served(next, old.certificate);
    const agent = await enrolled();
    expect(await become('activate', 'superseded')).toBe(200);
    await served(old, old.certificate);
    expect((await agent.openSession()).status).toBe(200);
    expect(await owner.call('DELETE', `${path}/${next.id}`)).toMatchObject(wrongState);
    expect(await owner.call('POST', `${path}/${old.id}/retire`)).toMatchObject(wrongState);
  });

  test('what is not there, or not in the state for it, is refused', async () => {
    const { id } = await inState('active');
    expect(await owner.call('POST', `${path}/${id}/activate`)).toMatchObject(wrongState);
    expect(await owner.call('DELETE', `${path}/${id}`)).toMatchObject(wrongState);
    const unknown = '01890a5d-ac96-774b-bcce-b302099a8057';
    const missing = { status: 404, body: { code: 'certificate_authority.not_found' } };
    expect(await owner.call('POST', `${path}/${unknown}/retire`)).toMatchObject(missing);
  });
});

function urlOf(): string {
  const { port } = new URL(controlPlane.agentApp.listeningOrigin);
  return `https://localhost:${port}`;
}
