import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { caCertificatesReply, certificateAuthorityList } from '@sallyport/contract';
import { asAdmin } from '@sallyport/testkit/database';
import { until } from '@sallyport/testkit/until';
import { HttpsLink } from '@sallyport/tls/https-link';
import { z } from 'zod';
import {
  startControlPlane,
  WITHOUT_WORKER,
  type TestControlPlane,
} from '../../apps/control-plane/test/control-plane.ts';
import { OperatorClient } from '../../apps/control-plane/test/operator-client.ts';
import { findCanaries, keyCanaries } from '../fixtures/canaries.ts';
import { nextRevision } from '../fixtures/next-revision.ts';
import { CertifiedHost } from './certified-host.ts';

const HOUR_MS = 3_600_000;
/** When a session is renewed. */
const QUARTER_MS = HOUR_MS / 4;
/** Of certificates that a test sees the end of. */
const SHORT_MS = 3_000;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let host: CertifiedHost;
const policy = { trustDomain: 'sallyport', lifetimeHours: 24, recoveryDays: 7 };
beforeAll(async () => {
  const settings = { ...WITHOUT_WORKER, agentCertificates: policy };
  controlPlane = await startControlPlane({ startMs: Date.now(), settings });
  await controlPlane.agentApp.listen({ host: 'localhost', port: 0 });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
  await owner.call('PATCH', '/groups/plant-7', { agentMethods: ['certificate'] });
});
beforeEach(() => {
  Object.assign(policy, { lifetimeHours: 24, recoveryDays: 7 });
  controlPlane.clock.set(Date.now());
});
afterEach(() => host.end());
afterAll(() => controlPlane.end());

const jwk = z.object({ d: z.string(), x: z.string() });

async function enrolled(): Promise<CertifiedHost> {
  host = await CertifiedHost.enrolled(owner, 'plant-7', controlPlane);
  return host;
}
const write = (value: string) => owner.put('/groups/plant-7/secrets/s', { value });

/** Changes a secret, and waits until the agent has it. */
async function delivered(value: string): Promise<void> {
  const { agent } = host;
  if (agent === undefined) throw new Error('the agent does not run');
  const applied = nextRevision(agent);
  await write(value);
  await applied;
}

test('[SG-23] [A7-02] an agent whose group asks for mutual TLS is served by its certificate', async () => {
  const agent = await (await enrolled()).start();
  await nextRevision(agent);
  await delivered('by certificate');
  expect(agent.contact.state).toBe('connected');
});

test('[A7-22] towards the control plane an agent speaks TLS by its key, or mutual TLS, as its group allows, and never in clear', async () => {
  await enrolled();
  const byKey = await host.start(false);
  await until(async () => byKey.contact.lastError?.code === 'client_certificate.required');
  await owner.call('PATCH', '/groups/plant-7', { agentMethods: ['key', 'certificate'] });
  try {
    for (const byCertificate of [false, true]) {
      await host.stop();
      await nextRevision(await host.start(byCertificate));
      await delivered(`by certificate: ${byCertificate}`);
    }
  } finally {
    await owner.call('PATCH', '/groups/plant-7', { agentMethods: ['certificate'] });
  }
  const { port } = new URL(controlPlane.agentApp.listeningOrigin);
  expect(() => new HttpsLink({ baseUrl: `http://localhost:${port}` })).toThrow(
    expect.objectContaining({ code: 'link.plaintext' }),
  );
});

/** No connection gets through until `heal`. */
function part(): void {
  const { server } = controlPlane.agentApp;
  server.maxConnections = 0;
  server.closeAllConnections();
}
function heal(): void {
  controlPlane.agentApp.server.maxConnections = 1_000;
}

describe('a certificate', () => {
  test('[AT-09] is renewed after half of its life by the clock that does not step back, with a new key, and no request fails', async () => {
    const agent = await (await enrolled()).start();
    await nextRevision(agent);
    const before = await host.certificate();
    host.aheadMs = QUARTER_MS;
    // The next pull renews the session, and finds nothing due.
    await delivered('soon');
    await delivered('sooner');
    expect(await host.certificate()).toBe(before);
    Object.assign(host, { sleptMs: 12 * HOUR_MS, aheadMs: 2 * QUARTER_MS });
    await delivered('late');
    await delivered('later');
    expect(await host.certificate()).not.toBe(before);
    expect(agent.contact.lastError).toBeUndefined();
  });

  test('[AX-20] [AX-21] is asked for by its public key: no private key of the agent is in what the control plane receives', async () => {
    const received: Buffer[] = [];
    const keep = (socket: Socket) => socket.on('data', (chunk: Buffer) => received.push(chunk));
    const { server } = controlPlane.agentApp;
    server.on('secureConnection', keep);
    await nextRevision(await (await enrolled()).start());
    const pairs = [await host.certificate()];
    Object.assign(host, { sleptMs: 12 * HOUR_MS, aheadMs: 2 * QUARTER_MS });
    await delivered('late');
    await delivered('later');
    pairs.push(await host.certificate());
    server.off('secureConnection', keep);
    const keys = z.object({ signingKey: jwk, encryptionKey: jwk }).parse(await host.identity());
    const canaries = [
      ...pairs.flatMap((pair) => keyCanaries('private key', String(JSON.parse(pair).key))),
      ...Object.values(keys).flatMap(({ d, x }) => [
        { name: 'private key', bytes: Buffer.from(d, 'base64url') },
        { name: 'public key', bytes: Buffer.from(x, 'base64url') },
      ]),
    ];
    const traffic = Buffer.concat(received);
    expect(new Set(pairs).size).toBe(2);
    expect(traffic.toString('latin1').match(/POST \/agent\/v1\/certificate /g)).toHaveLength(1);
    expect(findCanaries(canaries, [{ name: 'traffic', bytes: traffic }])).toEqual([
      'public key in traffic',
    ]);
  });

  test('[F-06] that cannot be renewed when it is due is shown on, and is renewed once it can be', async () => {
    const sql = (statement: string) =>
      asAdmin(controlPlane.databaseUrl, (client) => client.query(statement));
    await nextRevision(await (await enrolled()).start());
    const before = await host.certificate();
    await sql(`
      CREATE FUNCTION refuse_certificate() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
      CREATE TRIGGER refused BEFORE INSERT ON agent_certificates
        FOR EACH ROW EXECUTE FUNCTION refuse_certificate()`);
    try {
      Object.assign(host, { sleptMs: 12 * HOUR_MS, aheadMs: QUARTER_MS });
      await delivered('late');
      await delivered('later');
      expect(await host.certificate()).toBe(before);
    } finally {
      await sql('DROP TRIGGER refused ON agent_certificates');
    }
    host.aheadMs = 2 * QUARTER_MS;
    await delivered('later still');
    await delivered('at last');
    expect(await host.certificate()).not.toBe(before);
  });

  test('[F-06] that ends while the control plane cannot be reached is followed by another, without a restart, where only certificates open sessions', async () => {
    policy.lifetimeHours = SHORT_MS / HOUR_MS;
    const agent = await (await enrolled()).start();
    await nextRevision(agent);
    part();
    const before = await host.certificate();
    policy.lifetimeHours = 24;
    await ended(before);
    await write('meanwhile');
    const applied = nextRevision(agent);
    heal();
    await applied;
    expect(await host.certificate()).not.toBe(before);
    await delivered('after');
  });

  test('[F-06] that is lost longer than policy allows is not followed by another, and the agent serves on and says why', async () => {
    const agent = await (await enrolled()).start();
    await nextRevision(agent);
    await asAdmin(controlPlane.databaseUrl, (client) =>
      client.query("UPDATE agent_certificates SET key_thumbprint = 'lost', expires_at = issued_at"),
    );
    policy.recoveryDays = 0;
    // The session is over, and the next pull opens another.
    host.aheadMs = 2 * QUARTER_MS;
    await delivered('the last');
    await until(async () => agent.contact.lastError?.code === 'agent.method_refused');
    expect(agent.cache.revision()).toBeDefined();
    expect(agent.contact.state).toBe('refused');
    policy.recoveryDays = 7;
    await host.stop();
    await nextRevision(await host.start());
  });

  test('that the control plane does not know is followed by another', async () => {
    await enrolled();
    const before = await host.certificate();
    await asAdmin(controlPlane.databaseUrl, (client) =>
      client.query('DELETE FROM agent_certificates'),
    );
    await nextRevision(await host.start());
    expect(await host.certificate()).not.toBe(before);
  });

  test.each([
    ['cut off', (text: string) => text.slice(0, -40)],
    ['of another agent', (text: string) => text],
    ['not there', () => undefined],
  ])('[F-07] whose file is %s is followed by another', async (what, change) => {
    const other = what === 'of another agent' ? await enrolled() : undefined;
    const foreign = await other?.certificate();
    await other?.end();
    await enrolled();
    const changed = change(foreign ?? (await host.certificate()));
    if (changed === undefined) await host.state.remove('certificate.json');
    else await host.state.write('certificate.json', changed);
    await nextRevision(await host.start());
    expect(await host.certificate()).not.toBe(changed);
  });
});

describe('[AX-16] when the CA is rotated', () => {
  const path = '/certificate-authorities';
  async function inState(state: string): Promise<string> {
    const { items } = certificateAuthorityList.parse((await owner.call('GET', path)).body);
    return items.find((item) => item.state === state)?.id ?? '';
  }
  async function retire(): Promise<number> {
    const id = await inState('superseded');
    await asAdmin(controlPlane.databaseUrl, (client) =>
      client.query('UPDATE agent_certificates SET expires_at = issued_at WHERE authority_id = $1', [
        id,
      ]),
    );
    return (await owner.call('POST', `${path}/${id}/retire`)).status;
  }

  test('an agent that runs learns of the new one before the old one goes', async () => {
    await enrolled();
    await owner.call('POST', path);
    await until(async () => (await cas()) === 2);
    await nextRevision(await host.start());
    const trusted = await host.state.read('trust.json');
    expect(JSON.parse(String(trusted)).trustAnchors).toHaveLength(2);
    await owner.call('POST', `${path}/${await inState('prepared')}/activate`);
    expect(await retire()).toBe(200);
    await until(async () => (await cas()) === 1);
    part();
    heal();
    await delivered('under the new CA');
  });

  test('an agent that was off for all of it is led to the new one, and trusts the old one no more', async () => {
    await enrolled();
    await owner.call('POST', path);
    await owner.call('POST', `${path}/${await inState('prepared')}/activate`);
    expect(await retire()).toBe(200);
    await until(async () => (await cas()) === 1);
    await nextRevision(await host.start());
    await delivered('under the new CA');
    const trusted = await host.state.read('trust.json');
    expect(JSON.parse(String(trusted)).trustAnchors).toHaveLength(1);
  });
});

/** How many CAs this replica names; it hears of each change by a wake-up. */
async function cas(): Promise<number> {
  const { agentApp } = controlPlane;
  return caCertificatesReply.parse((await agentApp.inject('/agent/v1/cacerts')).json()).trustAnchors
    .length;
}

/** Resolves when a certificate is no longer good. */
async function ended(file: string): Promise<void> {
  const { certificate } = z.object({ certificate: z.string() }).parse(JSON.parse(file));
  const leftMs = new X509Certificate(certificate).validToDate.getTime() - Date.now();
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, leftMs) + 1));
}
