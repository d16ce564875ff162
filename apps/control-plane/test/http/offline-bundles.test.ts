import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { agent as agentSchema, exportedBundle, type OfflineBundle } from '@sallyport/contract';
import { signAdmissionProof } from '@sallyport/crypto/admission';
import { openBundlePart } from '@sallyport/crypto/bundle';
import { openDeliveryKey } from '@sallyport/crypto/delivery-key';
import { openOfflineBundle } from '@sallyport/crypto/offline-bundle';
import { importVerificationKey } from '@sallyport/crypto/signing-key';
import { offlineHost, type OfflineHost } from '../admission.ts';
import { sql } from '../audit/chain.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

const CANARY = 'canary-51c0e7aa';
const NOON = Date.UTC(2030, 0, 1, 12);

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER, startMs: NOON });
  await controlPlane.agentApp.listen({ host: '127.0.0.1', port: 0 });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

const admit = (group: string, request: object) =>
  owner.call('POST', `/groups/${group}/agents`, request);

/** A group, and a host that was admitted to it. */
async function admitted(group: string): Promise<OfflineHost & { id: string }> {
  await owner.call('POST', '/groups', { name: group });
  const host = await offlineHost();
  return { ...host, id: field((await admit(group, host.request)).body, 'id') };
}

const exported = async (id: string, body: object = {}) =>
  exportedBundle.parse((await owner.call('POST', `/agents/${id}/bundle`, body)).body);

const audited = (subject: string) =>
  sql<{ action: string; outcome: string; actor_name: string; details: object }>(
    controlPlane.databaseUrl,
    `SELECT action, outcome, actor_name, details FROM audit_events WHERE subject = '${subject}' ORDER BY at, id`,
  );

/** The values of a bundle, as the host opens them. */
async function opened(
  { durable, deliveryKey, group, verificationKeys }: OfflineBundle,
  { encryption }: OfflineHost,
) {
  const delivery = await openDeliveryKey(deliveryKey, encryption.privateKey, group.id);
  const keyring = new Map(
    verificationKeys.keys.map(({ kid, ...jwk }) => [kid, importVerificationKey(jwk)]),
  );
  const { manifest, values } = openBundlePart(durable, 'durable', delivery, keyring);
  return Object.fromEntries(
    manifest.entries.map(({ name }, at) => [name, Buffer.from(values[at] ?? []).toString()]),
  );
}

/** An operator who may change things in another group alone. */
async function stranger(): Promise<OperatorClient> {
  await owner.call('POST', '/groups', { name: 'elsewhere' });
  const roles = [{ role: 'operator', group: 'elsewhere' }];
  const key = await owner.call('POST', '/api-keys', { name: 'stranger', roles });
  const client = new OperatorClient(controlPlane.operatorApp);
  client.token = field(key.body, 'key');
  return client;
}

describe('[SG-13] a request that was carried here', () => {
  test('becomes an agent of the group, under the thumbprint that its host printed, and is audited', async () => {
    await owner.call('POST', '/groups', { name: 'admits' });
    const { request, signing } = await offlineHost();
    const reply = await admit('admits', request);
    expect(reply.status).toBe(201);
    const made = agentSchema.parse(reply.body);
    expect(made).toMatchObject({
      name: 'edge-7',
      group: 'admits',
      keyThumbprint: signing.thumbprint,
      appliedRevision: 0,
      lastSeenAt: null,
    });
    expect(await audited(`agent:${made.id}`)).toEqual([
      {
        action: 'agent:admit',
        outcome: 'done',
        actor_name: 'owner',
        details: { keyThumbprint: signing.thumbprint },
      },
    ]);
  });

  test.each<[string, (host: OfflineHost, other: OfflineHost) => Promise<object>]>([
    ['names another name than its proof', async () => ({ name: 'edge-8' })],
    [
      'names another encryption key than its proof',
      async (_, other) => ({ encryptionKey: other.request.encryptionKey }),
    ],
    ['brings a proof by another key', async (_, other) => ({ proof: other.request.proof })],
    ['brings no proof', async () => ({ proof: '' })],
  ])('is refused, and makes nothing, when it %s', async (_, change) => {
    await owner.call('POST', '/groups', { name: 'unproven' });
    const [host, other] = [await offlineHost(), await offlineHost()];
    const request = { ...host.request, ...(await change(host, other)) };
    expect(await admit('unproven', request)).toMatchObject({
      status: 400,
      body: { code: 'admission.proof_invalid' },
    });
    expect((await owner.call('GET', '/groups/unproven/agents')).body).toEqual({ items: [] });
  });

  test('is refused with an encryption key that nothing can be sealed to', async () => {
    await owner.call('POST', '/groups', { name: 'pointless' });
    const { request, signing } = await offlineHost();
    const encryptionKey = { kty: 'OKP', crv: 'X25519', x: 'A'.repeat(43) } as const;
    const proof = await signAdmissionProof(signing, { name: request.name, encryptionKey });
    expect(await admit('pointless', { ...request, encryptionKey, proof })).toMatchObject({
      status: 400,
      body: { code: 'request.invalid' },
    });
  });

  test('is refused a second time, in whichever group', async () => {
    const { request } = await admitted('first-group');
    await owner.call('POST', '/groups', { name: 'second-group' });
    for (const group of ['first-group', 'second-group'])
      expect(await admit(group, request)).toMatchObject({
        status: 409,
        body: { code: 'agent.keys_taken' },
      });
  });

  test('is refused while its keys or its name are banned', async () => {
    const { id, request } = await admitted('bans');
    await owner.call('POST', `/agents/${id}/ban`, { banName: true });
    const refusal = { status: 409, body: { code: 'admission.banned' } };
    expect(await admit('bans', request)).toMatchObject(refusal);
    expect(await admit('bans', (await offlineHost('edge-7')).request)).toMatchObject(refusal);
    expect(await admit('bans', (await offlineHost('edge-8')).request)).toMatchObject({
      status: 201,
    });
  });

  test('finds no group where the caller may see none, as where there is none', async () => {
    await owner.call('POST', '/groups', { name: 'hidden' });
    const client = await stranger();
    const { request } = await offlineHost();
    for (const group of ['hidden', 'no-such-group'])
      expect(await client.call('POST', `/groups/${group}/agents`, request)).toMatchObject({
        status: 404,
        body: { code: 'group.not_found' },
      });
    expect(await client.call('POST', '/groups/elsewhere/agents', request)).toMatchObject({
      status: 201,
    });
  });
});

describe('[SG-13] an exported bundle', () => {
  test('opens with its agent’s key alone, names its revision and end, and is audited', async () => {
    const host = await admitted('exports');
    await owner.call('PUT', '/groups/exports/secrets/db', { value: CANARY, offline: 'allow' });
    const made = await exported(host.id, { expiresInDays: 2 });
    expect(made).toMatchObject({
      agentId: host.id,
      revision: 2,
      issuedAt: '2030-01-01T12:00:00.000Z',
      expiresAt: '2030-01-03T12:00:00.000Z',
      withheld: false,
    });
    const bundle = openOfflineBundle(Buffer.from(made.bundle), made.signer);
    expect(bundle).toMatchObject({
      agentId: host.id,
      name: 'edge-7',
      group: { name: 'exports' },
      controlPlane: controlPlane.agentUrl(),
      revision: 2,
      expiresAt: made.expiresAt,
    });
    expect(await opened(bundle, host)).toEqual({ db: CANARY });
    await expect(opened(bundle, await offlineHost())).rejects.toMatchObject({
      code: 'delivery_key.unreadable',
    });
    expect((await audited(`agent:${host.id}`)).at(-1)).toEqual({
      action: 'bundle:export',
      outcome: 'done',
      actor_name: 'owner',
      details: { revision: 2, expiresAt: '2030-01-03T12:00:00.000Z' },
    });
  });

  test('holds no plaintext, and nothing of what may not be kept on disk or is lent out, which it says', async () => {
    const host = await admitted('withholds');
    const lease = { ttlSeconds: 60, maxTtlSeconds: 60, maxUses: null, windows: [] };
    const path = '/groups/withholds/secrets';
    await owner.call('PUT', `${path}/kept`, { value: `${CANARY}-kept`, offline: 'allow' });
    await owner.call('PUT', `${path}/live`, { value: `${CANARY}-live`, offline: 'deny' });
    await owner.call('PUT', `${path}/lent`, { value: `${CANARY}-lent`, lease });
    const made = await exported(host.id);
    expect(made.withheld).toBe(true);
    const bundle = openOfflineBundle(Buffer.from(made.bundle), made.signer);
    expect(await opened(bundle, host)).toEqual({ kept: `${CANARY}-kept` });
    for (const text of [made.bundle, JSON.stringify(bundle)]) expect(text).not.toContain(CANARY);
  });

  test('of 30 days is what is made when nothing is said, and of more than a year none', async () => {
    const { id } = await admitted('days');
    expect((await exported(id)).expiresAt).toBe('2030-01-31T12:00:00.000Z');
    expect((await exported(id, { expiresInDays: 365 })).expiresAt).toBe('2031-01-01T12:00:00.000Z');
    for (const expiresInDays of [0, 366, 1.5])
      expect(await owner.call('POST', `/agents/${id}/bundle`, { expiresInDays })).toMatchObject({
        status: 400,
        body: { code: 'request.invalid' },
      });
  });

  test('is refused for an agent that is revoked', async () => {
    const { id } = await admitted('revokes');
    await owner.call('POST', `/agents/${id}/revoke`);
    expect(await owner.call('POST', `/agents/${id}/bundle`, {})).toMatchObject({
      status: 409,
      body: { code: 'bundle.agent_revoked' },
    });
  });

  test('is refused for an agent that is moved while its bundle is built', async () => {
    const { id } = await admitted('moves-away');
    await owner.call('POST', '/groups', { name: 'moves-to' });
    let asked: Promise<Reply> | undefined;
    await whileHeld(
      controlPlane.databaseUrl,
      'LOCK TABLE secrets IN ACCESS EXCLUSIVE MODE',
      async () => {
        asked = owner.call('POST', `/agents/${id}/bundle`, {});
        await lockWaits(controlPlane.databaseUrl);
        await sql(
          controlPlane.databaseUrl,
          `UPDATE agents SET group_id = (SELECT id FROM groups WHERE name = 'moves-to') WHERE id = '${id}'`,
        );
      },
    );
    expect(await asked).toMatchObject({ status: 409, body: { code: 'bundle.agent_moved' } });
  });

  test('is not there for an operator of another group, as for an agent that is not there', async () => {
    const { id } = await admitted('secluded');
    const client = await stranger();
    for (const agent of [id, '01890a5d-ac96-774b-bcce-b302099a8057'])
      expect(await client.call('POST', `/agents/${agent}/bundle`, {})).toMatchObject({
        status: 404,
        body: { code: 'agent.not_found' },
      });
  });

  test('is made anew, and audited, for a second call with the same Idempotency-Key', async () => {
    const { id } = await admitted('again');
    const headers = { 'idempotency-key': 'again' };
    for (const _ of [1, 2])
      expect((await owner.call('POST', `/agents/${id}/bundle`, {}, headers)).status).toBe(200);
    const exports = (await audited(`agent:${id}`)).filter(
      ({ action }) => action === 'bundle:export',
    );
    expect(exports).toHaveLength(2);
  });
});
