import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request, type ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { connect } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { MAX_EVENTS } from '@sallyport/contract';
import { z } from 'zod';
import { RequestLimits } from '../../src/http/request-limits.ts';
import { sql } from '../audit/chain.ts';
import { OWNER_PASSWORD, startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient, type Reply } from '../operator-client.ts';

const rateLimits = {
  perPrincipal: 600,
  perAddress: 1000,
  eventsPerAgent: 20,
  signInsPerMinute: 100_000,
};
/** Requests of one agent: 256 about its leases, and 64 of its own. */
const MAX_UNDER_WAY = 320;
const limited = { status: 429, body: { code: 'rate.limited' } };

const started: TestControlPlane[] = [];
async function controlPlaneWith(
  settings: Parameters<typeof startControlPlane>[0] = {},
): Promise<TestControlPlane> {
  const controlPlane = await startControlPlane(settings);
  started.push(controlPlane);
  return controlPlane;
}
afterEach(async () => {
  await Promise.all(started.splice(0).map((controlPlane) => controlPlane.end()));
});
afterAll(() => expect(started).toEqual([]));

/** A stranger, who sends these headers. */
function from(
  { operatorApp }: TestControlPlane,
  address: string,
  headers: Record<string, string> = {},
) {
  const client = new OperatorClient(operatorApp);
  client.remoteAddress = address;
  return {
    ask: () => client.call('GET', '/me', undefined, headers),
    signIn: (name: string, password: string): Promise<Reply> =>
      client.call('POST', '/sessions', { name, password }, headers),
  };
}

/** Asks until it is refused for asking too much; how often it was let through. */
async function untilLimited(ask: () => Promise<Reply>, most: number): Promise<number> {
  for (let asked = 0; asked <= most; asked += 1) if ((await ask()).status === 429) return asked;
  throw new Error(`asked ${most} times without being limited`);
}

describe('failed sign-ins are limited', () => {
  test('by address, whatever names are tried; one that succeeds does not count, and others go on', async () => {
    const settings = { rateLimits: { ...rateLimits, signInsPerMinute: 3 } };
    const controlPlane = await controlPlaneWith({ settings });
    const guesser = from(controlPlane, '192.0.2.1');
    for (let time = 0; time < 5; time += 1)
      expect((await guesser.signIn('owner', OWNER_PASSWORD)).status).toBe(201);
    for (const name of ['a', 'b', 'c'])
      expect((await guesser.signIn(name, 'guess')).status).toBe(401);
    expect(await guesser.signIn('d', 'guess')).toMatchObject({
      ...limited,
      headers: { 'retry-after': '20' },
    });
    expect(await guesser.signIn('owner', OWNER_PASSWORD)).toMatchObject(limited);
    const other = from(controlPlane, '192.0.2.2');
    expect((await other.signIn('owner', OWNER_PASSWORD)).status).toBe(201);
    controlPlane.clock.advance(20_000);
    expect((await guesser.signIn('owner', OWNER_PASSWORD)).status).toBe(201);
  });

  test('by name, from wherever they come, before a lock would be set', async () => {
    const settings = { rateLimits: { ...rateLimits, signInsPerMinute: 3 } };
    const controlPlane = await controlPlaneWith({ settings });
    for (const last of [1, 2, 3])
      expect((await from(controlPlane, `192.0.2.${last}`).signIn('owner', 'guess')).status).toBe(
        401,
      );
    const fourth = from(controlPlane, '192.0.2.4');
    expect(await fourth.signIn('owner', 'guess')).toMatchObject(limited);
    expect((await fourth.signIn('another', 'guess')).status).toBe(401);
  });
});

describe('requests are limited by who sends them, never by a header that a client can set', () => {
  const settings = { rateLimits: { ...rateLimits, perAddress: 1 } };

  test('a stranger by the address of its connection, whatever it says it is', async () => {
    const controlPlane = await controlPlaneWith({ settings });
    let asked = 0;
    const spoofed = () => {
      asked += 1;
      const address = `198.51.100.${asked}`;
      const headers = {
        'x-forwarded-for': address,
        forwarded: `for=${address}`,
        'x-real-ip': address,
      };
      return from(controlPlane, '192.0.2.1', headers).ask();
    };
    expect(await untilLimited(spoofed, 50)).toBe(10);
    expect(await from(controlPlane, '192.0.2.1').ask()).toMatchObject(limited);
    expect((await from(controlPlane, '192.0.2.2').ask()).status).toBe(401);
  });

  test('behind a proxy that is trusted, by the address that the proxy saw, not by what was claimed before', async () => {
    const controlPlane = await controlPlaneWith({
      settings: { ...settings, trustProxy: ['10.0.0.0/8'] },
    });
    const behind = (seen: string) =>
      from(controlPlane, '10.0.0.1', { 'x-forwarded-for': seen }).ask();
    expect(await untilLimited(() => behind('203.0.113.9, 192.0.2.1'), 50)).toBe(10);
    expect(await behind('203.0.113.10, 192.0.2.1')).toMatchObject(limited);
    expect((await behind('192.0.2.2')).status).toBe(401);
    const spoofed = { 'x-forwarded-for': '192.0.2.3' };
    const untrusted = () => from(controlPlane, '172.16.0.1', spoofed).ask();
    expect(await untilLimited(untrusted, 50)).toBe(10);
    expect((await behind('192.0.2.3')).status).toBe(401);
  });

  test('also where the proxies write a port behind an address, or no address at all', async () => {
    const controlPlane = await controlPlaneWith({
      settings: { ...settings, trustProxy: ['10.0.0.0/8'] },
    });
    let port = 40_000;
    const behind = (seen: (port: number) => string) => {
      port += 1;
      return from(controlPlane, '10.0.0.1', { 'x-forwarded-for': seen(port) }).ask();
    };
    expect(await untilLimited(() => behind((own) => `192.0.2.1:${own}`), 50)).toBe(10);
    expect(await behind(() => '192.0.2.1')).toMatchObject(limited);
    expect(await behind((own) => `192.0.2.1:${own}, 10.0.0.2:${own}`)).toMatchObject(limited);
    expect(await untilLimited(() => behind((own) => `[2001:db8::1]:${own}`), 50)).toBe(10);
    expect(await behind(() => '2001:db8::2')).toMatchObject(limited);
    expect(await untilLimited(() => behind((own) => `_hidden${own}`), 50)).toBe(10);
    expect((await behind((own) => `192.0.2.2:${own}`)).status).toBe(401);
  });

  test('a stranger with a network of IPv6 addresses as one', async () => {
    const controlPlane = await controlPlaneWith({ settings });
    let asked = 0;
    const roaming = () => {
      asked += 1;
      return from(controlPlane, `2001:db8:0:1::${asked.toString(16)}`).ask();
    };
    expect(await untilLimited(roaming, 50)).toBe(10);
    expect((await from(controlPlane, '2001:db8:0:2::1').ask()).status).toBe(401);
  });

  test('an operator and an agent by who they are: neither holds up another at the same address', async () => {
    const limits = { ...rateLimits, perPrincipal: 2 };
    const controlPlane = await controlPlaneWith({ settings: { rateLimits: limits } });
    const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    const agent = await agentIn(owner, 'plant-7', controlPlane);
    const other = await OperatorClient.signedIn(controlPlane.operatorApp);
    expect(await untilLimited(() => owner.call('GET', '/me'), 50)).toBeLessThan(20);
    expect(await other.call('GET', '/me')).toMatchObject(limited);
    const lookFor = () => agent.call('GET', '/revisions/1000/bundle');
    expect(await untilLimited(lookFor, 50)).toBeGreaterThan(10);
    const second = await OperatorClient.signedIn(controlPlane.operatorApp);
    controlPlane.clock.advance(1_000);
    expect((await second.call('GET', '/me')).status).toBe(200);
    expect((await lookFor()).status).toBe(404);
  });

  test('[AX-19] no proof is remembered of a request that is over the limit, and one that is shown again counts for nobody', async () => {
    const limits = { ...rateLimits, perPrincipal: 2 };
    const controlPlane = await controlPlaneWith({ settings: { rateLimits: limits } });
    const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    const agent = await agentIn(owner, 'plant-7', controlPlane);
    const path = '/revisions/1000/bundle';
    const lookFor = (dpop: string) => agent.call('GET', path, undefined, { dpop });
    const proofs: string[] = [];
    const lookAnew = () => {
      const dpop = agent.dpop('GET', path);
      proofs.push(dpop);
      return lookFor(dpop);
    };
    await untilLimited(lookAnew, 50);
    const [used = '', refused = ''] = [proofs.at(0), proofs.at(-1)];
    controlPlane.clock.advance(1_000);
    for (let again = 0; again < 5; again += 1)
      expect(await lookFor(used)).toMatchObject({ status: 401, body: { code: 'dpop.replayed' } });
    expect((await lookFor(refused)).status).toBe(404);
    expect((await lookFor(refused)).body).toMatchObject({ code: 'dpop.replayed' });
  });

  test('a token that is made up counts for its address, and a flood of them holds up nobody elsewhere', async () => {
    const controlPlane = await controlPlaneWith({ settings });
    const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    const bogus = { authorization: 'Bearer sp_session_bogus' };
    const flood = () => from(controlPlane, '192.0.2.1', bogus).ask();
    expect(await untilLimited(flood, 50)).toBe(10);
    expect((await owner.call('GET', '/me')).status).toBe(200);
  });

  test('a forged request with any cookie counts for its address', async () => {
    const controlPlane = await controlPlaneWith({ settings });
    const client = new OperatorClient(controlPlane.operatorApp);
    client.remoteAddress = '192.0.2.1';
    const forged = { cookie: '__Host-sallyport=made-up' };
    const send = () => client.call('POST', '/groups', { name: 'a' }, forged);
    expect(await send()).toMatchObject({ status: 403, body: { code: 'csrf.refused' } });
    expect(await untilLimited(send, 50)).toBe(9);
  });
});

test('[SG-15] the audit events of one agent are limited by their number; what is refused is recorded once it comes again later', async () => {
  const controlPlane = await controlPlaneWith({
    settings: { rateLimits: { ...rateLimits, eventsPerAgent: 2 } },
  });
  const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  const agent = await agentIn(owner, 'plant-7', controlPlane);
  const other = await agentIn(owner, 'plant-7', controlPlane);
  const batch = randomUUID();
  const events = Array.from({ length: MAX_EVENTS }, () => ({ subject: 'many' }));
  const recorded = () =>
    sql(controlPlane.databaseUrl, `SELECT FROM audit_events WHERE subject = 'many'`);

  expect((await agent.report(events)).status).toBe(204);
  expect(await agent.report(events, batch)).toMatchObject({
    ...limited,
    // 20 at once: so many are to be waited for, and one.
    headers: { 'retry-after': String(Math.ceil((MAX_EVENTS - 20 + 1) / 2)) },
  });
  expect(await recorded()).toHaveLength(MAX_EVENTS);
  expect((await agent.pullRaw()).status).toBe(200);
  expect((await other.report([{}])).status).toBe(204);

  controlPlane.clock.advance(91_000);
  await agent.openSession();
  expect((await agent.report(events, batch)).status).toBe(204);
  expect(await recorded()).toHaveLength(2 * MAX_EVENTS);
});

test('[F-23] of an agent so many requests are under way at a time, halves among them, until they are answered or their connection is gone', async () => {
  const controlPlane = await controlPlaneWith({ startMs: Date.now() });
  const { agentApp, caCertificate: ca } = controlPlane;
  await agentApp.listen({ host: '127.0.0.1', port: 0 });
  const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  const agent = await agentIn(owner, 'plant-7', controlPlane);
  const other = await agentIn(owner, 'plant-7', controlPlane);
  const url = '/agent/v1/events';
  const headers = () => ({
    host: 'control-plane.test:9443',
    'content-type': 'application/json',
    authorization: `DPoP ${agent.accessToken}`,
    dpop: agent.dpop('POST', '/events'),
  });
  const halves = Array.from({ length: MAX_UNDER_WAY - 1 }, () => new PassThrough());
  const answers = halves.map((payload) =>
    agentApp.inject({ method: 'POST', url, headers: headers(), payload }),
  );
  const port = Number(new URL(agentApp.listeningOrigin).port);
  const socket = connect({ host: '127.0.0.1', port, ca });
  await once(socket, 'secureConnect');
  const arrived = once(agentApp.server, 'request');
  const lines = Object.entries(headers()).map(([name, value]) => `${name}: ${value}`);
  socket.write(`POST ${url} HTTP/1.1\r\n${lines.join('\r\n')}\r\ncontent-length: 9\r\n\r\n{`);
  const [{ socket: atServer }] = await arrived;
  expect(await agent.pullRaw()).toMatchObject(limited);
  expect((await other.pullRaw()).status).toBe(200);

  const gone = once(atServer, 'close');
  socket.destroy();
  await gone;
  expect((await agent.pullRaw()).status).toBe(200);
  for (const payload of halves) payload.end('{}');
  const statuses = (await Promise.all(answers)).map(({ statusCode }) => statusCode);
  expect(statuses).toEqual(halves.map(() => 400));
});

test('[F-23] a request whose connection went while its credential was looked at is not under way', async () => {
  const gone = Promise.withResolvers<ServerResponse>();
  await using server = createServer((_request, response) => {
    response.once('close', () => gone.resolve(response));
    client.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.int() }).parse(server.address());
  const client = request({ host: '127.0.0.1', port }).on('error', () => {});
  client.end();
  const reply = await gone.promise;
  const limits = new RequestLimits({ now: () => 0 }, rateLimits);
  for (let counted = 0; counted <= MAX_UNDER_WAY; counted += 1)
    limits.countUnderWay('agent', reply);
  expect(reply.closed).toBe(true);
});
