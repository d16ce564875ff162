import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { loadConfig } from '@sallyport/config/load';
import { PROTOCOL } from '@sallyport/contract';
import { signEnrollmentProof } from '@sallyport/crypto/assertion';
import { asAdmin } from '@sallyport/testkit/database';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { Issuer, type LeafOptions } from '@sallyport/tls/test/issuer';
import type { ClientIdentity } from '../../src/platform/client-identity.ts';
import { serverConfig } from '../../src/platform/config.ts';
import { AgentClient } from '../agent-client.ts';
import { CertifiedAgent } from '../certified-agent.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

const uri = (value: string) => ({ type: 'url', value }) as const;
const refused = (code: string) => ({ status: 401, body: { code: `client_certificate.${code}` } });
const facts = { agentVersion: '0.1.0', platform: 'linux', architecture: 'x64', runtime: 'test' };

let home: TempDirectory;
let truststore: string;
let root: Issuer;
let issuing: Issuer;
let controlPlane: TestControlPlane;
let owner: OperatorClient;
const opened: CertifiedAgent[] = [];
beforeAll(async () => {
  home = await createTempDirectory('organisation-clients');
  root = await Issuer.root('CN=Corp root');
  issuing = await root.intermediate('CN=Corp agents');
  truststore = join(home.path, 'clients.pem');
  await writeFile(truststore, root.pem);
  controlPlane = await start('uri');
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
});
/** With `same`, on the database of another. */
async function start(
  clientIdentity: ClientIdentity,
  same: { databaseUrl?: string; rootKey?: Uint8Array } = {},
): Promise<TestControlPlane> {
  const { agentApi } = loadConfig(serverConfig, { env: {}, programName: 'test' }).config;
  const own = { truststore: { file: truststore, type: 'auto' as const }, clientIdentity };
  const settings = { ...WITHOUT_WORKER, agentApi: { ...agentApi, ...own } };
  const started = await startControlPlane({ ...same, startMs: Date.now(), settings });
  await started.agentApp.listen({ host: 'localhost', port: 0 });
  return started;
}

afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});
afterAll(async () => {
  await controlPlane.end();
  await home.remove();
});

/** A client whose connections show such a certificate. */
async function showing(
  options: LeafOptions,
  by = issuing,
  cut = false,
  at = controlPlane,
): Promise<CertifiedAgent> {
  const client = await AgentClient.create(at.agentApp, at.clock);
  const agent = new CertifiedAgent(client, at);
  const { usages = ['clientAuth'], ...others } = options;
  // No use at all is a certificate without that extension.
  const named = usages.length === 0 ? {} : { usages };
  const { chain, parts, key } = await by.leaf({ ...others, ...named });
  agent.use({ cert: cut ? (parts[0] ?? '') : chain, key });
  opened.push(agent);
  return agent;
}

async function enroll(agent: CertifiedAgent, group = 'plant-7'): Promise<Reply> {
  const { signing, encryption } = agent.client;
  const created = await owner.call('POST', `/groups/${group}/enrollment-tokens`, {});
  const token = field(created.body, 'token');
  const now = controlPlane.clock.now();
  const proof = await signEnrollmentProof(signing, token, encryption.publicJwk, now);
  const keys = { signingKey: signing.publicJwk, encryptionKey: encryption.publicJwk };
  const body = { protocol: PROTOCOL, token, name: 'host-1', ...keys, proof, facts };
  return agent.send('/enroll', body);
}

async function enrolled(id: string): Promise<{ agent: CertifiedAgent; agentId: string }> {
  const agent = await showing({ names: [uri(id)] });
  const reply = await enroll(agent);
  expect(reply.status).toBe(201);
  return { agent, agentId: field(reply.body, 'agentId') };
}

describe.each<[ClientIdentity, LeafOptions, RegExp]>([
  ['dns', { names: [{ type: 'dns', value: 'db-7.corp' }] }, /^dns:db-7\.corp$/],
  ['ip', { names: [{ type: 'ip', value: '10.7.0.7' }] }, /^ip:10\.7\.0\.7$/],
  ['key', { names: [uri('spiffe://corp/of-a-key')] }, /^key:[\w-]{43}$/],
])('[BM-14] where agentApi.clientIdentity is %s', (kind, options, identity) => {
  const others: Record<string, LeafOptions> = {
    dns: { names: [{ type: 'dns', value: 'db-8.corp' }] },
    ip: { names: [{ type: 'ip', value: '10.7.0.8' }] },
    // The same names, on a key of its own.
    key: options,
  };

  test('an agent is known by that of its certificate, and another certificate opens no session', async () => {
    const at = await start(kind, controlPlane);
    try {
      const agent = await showing(options, issuing, false, at);
      const reply = await enroll(agent);
      expect(reply.status).toBe(201);
      const { body } = await owner.call('GET', `/agents/${field(reply.body, 'agentId')}`);
      expect(body).toMatchObject({ certificateIdentity: expect.stringMatching(identity) });
      expect((await agent.openSession()).status).toBe(200);
      const stranger = await showing(others[kind] ?? {}, issuing, false, at);
      expect(await stranger.openSession()).toMatchObject(refused('unknown'));
      const nameless = await showing({ names: [uri('spiffe://corp/db-7')] }, issuing, false, at);
      const code = kind === 'key' ? 'unknown' : 'no_identity';
      expect(await nameless.openSession()).toMatchObject(refused(code));
    } finally {
      await at.end();
    }
  });
});

describe('[BM-14] [SG-23] an agent with a certificate of the organisation’s CA', () => {
  test('is known by its URI from its enrolment on, which is audited, and opens sessions with it', async () => {
    const id = 'spiffe://corp/db-7';
    const { agent, agentId } = await enrolled(id);
    expect((await owner.call('GET', `/agents/${agentId}`)).body).toMatchObject({
      certificateIdentity: `uri:${id}`,
    });
    expect(await agent.openSession()).toMatchObject({ status: 200, body: { tokenType: 'Bearer' } });
    expect((await agent.pull()).status).toBe(200);
    // Another certificate of the same name, as after its renewal.
    agent.use((await showing({ names: [uri(id)] })).identity);
    expect((await agent.openSession()).status).toBe(200);
    const events = await asAdmin(controlPlane.databaseUrl, async (client) => {
      const sql = `SELECT details FROM audit_events WHERE action = 'agent:enroll' AND subject = $1`;
      return (await client.query<{ details: unknown }>(sql, [`agent:${agentId}`])).rows;
    });
    expect(events).toEqual([
      { details: expect.objectContaining({ certificateIdentity: `uri:${id}` }) },
    ]);
  });

  test.each<[string, string, () => Promise<CertifiedAgent>]>([
    ['of another name', 'unknown', () => showing({ names: [uri('spiffe://corp/other')] })],
    [
      'of another CA',
      'untrusted',
      async () => {
        const stranger = await (await Issuer.root('CN=Corp root')).intermediate('CN=Corp agents');
        return showing({ names: [uri('spiffe://corp/refused')] }, stranger);
      },
    ],
    [
      'that has expired',
      'expired',
      () =>
        showing({
          names: [uri('spiffe://corp/refused')],
          notBefore: new Date(Date.now() - 2_000_000),
          notAfter: new Date(Date.now() - 1_000_000),
        }),
    ],
    [
      'without its intermediate',
      'chain_incomplete',
      () => showing({ names: [uri('spiffe://corp/refused')] }, issuing, true),
    ],
    [
      'for servers alone',
      'wrong_usage',
      () => showing({ names: [uri('spiffe://corp/refused')], usages: ['serverAuth'] }),
    ],
    [
      'for no use in particular',
      'wrong_usage',
      () => showing({ names: [uri('spiffe://corp/refused')], usages: [] }),
    ],
    ['without a URI', 'no_identity', () => showing({ names: [{ type: 'dns', value: 'db-7' }] })],
    [
      'with two URIs',
      'no_identity',
      () => showing({ names: [uri('spiffe://corp/refused'), uri('spiffe://corp/db-7')] }),
    ],
  ])('is refused a session with one %s: client_certificate.%s', async (...[, code, make]) => {
    const { agentId } = await enrolled(`spiffe://corp/${code}-${Math.random()}`);
    await owner.call('PATCH', `/agents/${agentId}`, {
      certificateIdentity: 'uri:spiffe://corp/refused',
    });
    const agent = await make();
    expect(await agent.openSession()).toMatchObject(refused(code));
    const again = await enroll(agent);
    if (code === 'unknown') expect(again.status).toBe(201);
    else expect(again).toMatchObject(refused(code));
    await owner.call('PATCH', `/agents/${agentId}`, { certificateIdentity: null });
  });

  test('is told at its enrolment what to set, where certificates have no such name', async () => {
    const agent = await showing({ names: [{ type: 'dns', value: 'db-7.corp' }] });
    const { text } = await enroll(agent);
    expect(text).toContain('exactly one URI');
    expect(text).toContain('agentApi.clientIdentity');
  });

  test('is refused in a group without sessions by certificate', async () => {
    await owner.call('POST', '/groups', { name: 'keys-only' });
    await owner.call('PATCH', '/groups/keys-only', { agentMethods: ['key'] });
    const agent = await showing({ names: [uri('spiffe://corp/keys-only')] });
    expect(await enroll(agent, 'keys-only')).toMatchObject({
      body: { code: 'agent.method_refused' },
    });
  });

  test('is one agent: the name of another is refused, and that of a revoked one is free again', async () => {
    const { agent, agentId } = await enrolled('spiffe://corp/twice');
    const second = await showing({ names: [uri('spiffe://corp/twice')] });
    expect(await enroll(second)).toMatchObject({
      status: 409,
      body: { code: 'agent.identity_taken' },
    });
    await agent.openSession();
    await owner.call('POST', `/agents/${agentId}/revoke`);
    expect(await agent.openSession()).toMatchObject({ body: { code: 'agent.revoked' } });
    expect((await enroll(second)).status).toBe(201);
    expect((await second.openSession()).status).toBe(200);
  });

  test('an operator moves an agent to another certificate, and its open session ends with the old one', async () => {
    const { agent, agentId } = await enrolled('spiffe://corp/before');
    await agent.openSession();
    const { body } = await owner.call('PATCH', `/agents/${agentId}`, {
      certificateIdentity: 'uri:spiffe://corp/after',
    });
    expect(body).toMatchObject({ certificateIdentity: 'uri:spiffe://corp/after' });
    const renew = () => agent.send('/session/renew', { protocol: PROTOCOL }, agent.bearer);
    expect(await renew()).toMatchObject(refused('unknown'));
    // Nor does it go on once another agent has that certificate.
    const heir = await enrolled('spiffe://corp/heir');
    await owner.call('PATCH', `/agents/${heir.agentId}`, {
      certificateIdentity: 'uri:spiffe://corp/before',
    });
    expect(await renew()).toMatchObject(refused('unknown'));
    agent.use((await showing({ names: [uri('spiffe://corp/after')] })).identity);
    expect((await agent.openSession()).status).toBe(200);
    const taken = await enrolled('spiffe://corp/taken');
    expect(
      await owner.call('PATCH', `/agents/${taken.agentId}`, {
        certificateIdentity: 'uri:spiffe://corp/after',
      }),
    ).toMatchObject({ status: 409, body: { code: 'agent.identity_taken' } });
    expect(
      await owner.call('PATCH', `/agents/${agentId}`, { certificateIdentity: 'spiffe://corp/x' }),
    ).toMatchObject({ status: 400 });
  });

  test('[BM-21] a CA that is taken out of the truststore opens no session any more, on no connection', async () => {
    const { agent } = await enrolled('spiffe://corp/moved');
    await agent.openSession();
    const next = await Issuer.root('CN=Next root');
    await writeFile(`${truststore}.new`, next.pem);
    await rename(`${truststore}.new`, truststore);
    const endsAt = performance.now() + 15_000;
    while ((await agent.openSession()).status === 200) {
      if (performance.now() > endsAt) throw new Error('the truststore was not read again');
    }
    expect(await agent.openSession()).toMatchObject({ status: 401 });
    const other = await showing({ names: [uri('spiffe://corp/next')] }, next);
    expect((await enroll(other)).status).toBe(201);
    await writeFile(truststore, root.pem);
  }, 60_000);
});
