import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { agentConfig } from '../../src/config.ts';
import { statuses } from '../../src/local-api/problem-reply.ts';
import { Refusal } from '../double/authority.ts';
import { askSocket, startDaemon, until, type LocalReply } from '../harness.ts';
import { runAgent } from '../run-agent.ts';
import { runningAgent, type RunningAgent } from '../running-agent.ts';
import { contentsBelow } from './disk.ts';
import { vaultSubject, type Subject } from './subjects.ts';

let vault: Subject;
let agent: RunningAgent;
beforeEach(async () => {
  vault = await vaultSubject();
});
afterEach(async () => {
  await agent.end();
  await vault[Symbol.asyncDispose]();
});

async function start(settings: Record<string, unknown> = {}): Promise<void> {
  await vault.put('db', 'first-canary');
  const { references } = agentConfig.parse({ references: { ...vault.settings, ...settings } });
  agent = await runningAgent(
    (double) => {
      double.putReference('db/password', vault.uriOf('db'));
      double.putSecret('stored', 'of the bundle');
    },
    { references },
  );
}

const ask = (path = 'db/password', headers = {}) =>
  agent.daemon.ask(`/v1/secrets/${path}`, { headers });
const bodyOf = ({ body }: LocalReply) => JSON.parse(body);
const uriOf = (name: string) => vault.uriOf(name);

describe('[AT-13] [AT-14] a program that asks for a secret that is a reference', () => {
  test('gets its value, by the name, version and revision of the secret', async () => {
    await start();
    expect(vault.peer?.asked).toEqual([]);
    const reply = await ask();
    expect(bodyOf(reply)).toEqual({
      name: 'db/password',
      version: 1,
      revision: agent.double.group.revision,
      value: 'first-canary',
    });
    expect(reply).toMatchObject({
      status: 200,
      headers: { age: '0', 'cache-control': 'no-store' },
    });
    expect(reply.headers['warning']).toBeUndefined();
    expect(bodyOf(await ask('stored'))).toMatchObject({ value: 'of the bundle' });
  });

  test('[SG-34] asks Vault once with 1,000 reads at a time', async () => {
    await start();
    const replies = await Promise.all(
      // A listener takes 512 connections at a time.
      Array.from({ length: 4 }, async () => {
        const some = await Promise.all(Array.from({ length: 125 }, () => ask()));
        return [...some, ...(await Promise.all(Array.from({ length: 125 }, () => ask())))];
      }),
    );
    expect(new Set(replies.flat().map((reply) => bodyOf(reply).value))).toEqual(
      new Set(['first-canary']),
    );
    expect(replies.flat()).toHaveLength(1_000);
    expect(vault.peer?.askedFor('/v1/kv/data/')).toHaveLength(1);
  });

  test('finds it again by its etag, by version and by field', async () => {
    await start();
    const { headers } = await ask();
    expect(await ask('db/password', { 'if-none-match': headers.etag })).toMatchObject({
      status: 304,
      body: '',
    });
    expect((await ask('db/password?version=1')).status).toBe(200);
    expect(bodyOf(await ask('db/password?version=2'))).toMatchObject({
      code: 'secret.version_not_found',
    });
    expect(bodyOf(await ask('db/password?field=user'))).toMatchObject({ code: 'secret.not_json' });
    agent.double.putReference('db/login', 'vault://kv/apps/login');
    await vault.put('login', 'shop');
    await agent.delivered();
    expect(bodyOf(await ask('db/login?field=value'))).toMatchObject({ value: 'shop' });
  });

  test('finds it in the list of secrets, and gets it by get and by render', async () => {
    await start();
    const { items } = bodyOf(await agent.daemon.ask('/v1/secrets'));
    expect(items).toContainEqual({ name: 'db/password', version: 1 });
    const socket = ['--socket', agent.enrolled.socket];
    expect(await runAgent(['get', 'db/password', ...socket])).toMatchObject({
      code: 0,
      stdout: 'first-canary',
    });
    const template = join(agent.enrolled.home.path, 'shop.liquid');
    const output = join(agent.enrolled.home.path, 'shop.ini');
    await writeFile(template, 'password = {{ "db/password" | secret }}\n');
    await runAgent(['render', '--template', template, '--output', output, ...socket]);
    expect(await readFile(output, 'utf8')).toBe('password = first-canary\n');
  });

  test('is refused where it may not read it, without anybody being asked', async () => {
    const { localApi } = agentConfig.parse({
      localApi: { sockets: [{ path: '/unused', allow: { secrets: ['other/*'] } }] },
    });
    const { references } = agentConfig.parse({ references: vault.settings });
    await using home = await createTempDirectory('shop');
    const path = join(home.path, 'shop.sock');
    const [one] = localApi.sockets;
    agent = await runningAgent((double) => double.putReference('db/password', uriOf('db')), {
      references,
      localApi: { ...localApi, sockets: one === undefined ? [] : [{ ...one, path }] },
    });
    const reply = await askSocket(path, '/v1/secrets/db/password');
    expect(bodyOf(reply)).toMatchObject({ status: 403, code: 'request.not_allowed' });
    expect(bodyOf(await askSocket(path, '/v1/secrets')).items).toEqual([]);
    expect(bodyOf(await askSocket(path, '/healthz'))).toMatchObject({ entries: 0, providers: [] });
    expect(vault.peer?.asked).toEqual([]);
  });
});

describe('[AT-13] a reference that leads nowhere is an error, never the URI', () => {
  test.each([
    ['to nothing', () => uriOf('none'), 502, 'reference.not_found'],
    ['to what is forbidden', () => vault.forbid(), 502, 'reference.denied'],
    ['to a provider that is off', () => 'env://HOME', 502, 'reference.not_configured'],
    ['that cannot be read', () => 'vault://kv', 502, 'reference.invalid'],
  ])('%s', async (_, uri, status, code) => {
    await start();
    agent.double.putReference('elsewhere', await uri());
    await agent.delivered();
    const reply = await ask('elsewhere');
    expect([reply.status, bodyOf(reply).code]).toEqual([status, code]);
    expect(reply.body).not.toContain('://kv');
    const got = await runAgent(['get', 'elsewhere', '--socket', agent.enrolled.socket]);
    expect(got.stdout).toBe('');
    expect(got.code).not.toBe(0);
  });

  test('of a provider that asks to wait, with the time to wait', async () => {
    await start();
    vault.peer?.failNext({ status: 200, json: { data: { ttl: 0, renewable: false } } });
    vault.peer?.failNext({ status: 429, headers: { 'retry-after': '30' } });
    const reply = await ask();
    expect(reply).toMatchObject({ status: 503, headers: { 'retry-after': '30' } });
    expect(bodyOf(reply)).toMatchObject({ code: 'reference.rate_limited' });
    const again = await ask();
    expect(Number(again.headers['retry-after'])).toBeGreaterThan(25);
    expect(vault.peer?.askedFor('/v1/kv/data/')).toHaveLength(1);
  });

  test('is an answer of its own for each code', () => {
    const codes = Object.keys(statuses).filter((code) => code.startsWith('reference.'));
    expect(codes).toHaveLength(7);
  });
});

describe('[SG-32] a provider that fails', () => {
  test('is told by health, status and metrics; what is stale is marked', async () => {
    await start({ cacheSeconds: 0, staleSeconds: 600 });
    await ask();
    vault.peer?.failAll({ status: 500 });
    const reply = await ask();
    expect(reply).toMatchObject({
      status: 200,
      headers: { warning: '110 - "Response is Stale"', age: '0' },
    });
    const { providers } = await agent.daemon.health();
    expect(providers).toMatchObject([
      { provider: 'vault', failures: 1, failing: { code: 'reference.unreachable' } },
    ]);
    const status = await runAgent(['status', '--socket', agent.enrolled.socket]);
    expect(status.stdout).toMatch(/^provider +vault:\/\/ fails since .*reference\.unreachable/m);
    const { body } = await agent.daemon.ask('/metrics');
    expect(body).toContain('sallyport_agent_reference_calls_total{provider="vault"} 2');
    expect(body).toContain('sallyport_agent_reference_failures_total{provider="vault"} 1');
    expect(body).toContain('sallyport_agent_reference_cache_hits_total{provider="vault"} 1');
    expect(body).toContain('sallyport_agent_reference_provider_failing{provider="vault"} 1');
  });

  test('leaves stored secrets as they are, and is nothing to tell before it is asked', async () => {
    await start();
    expect((await agent.daemon.health()).providers).toEqual([]);
    await vault.peer?.stop();
    expect((await ask()).status).toBe(503);
    expect(bodyOf(await ask('stored'))).toMatchObject({ value: 'of the bundle' });
  });
});

describe('[SG-32] a reference that changes', () => {
  test('is resolved anew at once, and watchers are told of a secret', async () => {
    await start();
    await ask();
    await vault.put('other', 'second-canary');
    agent.double.putReference('db/password', uriOf('other'));
    await agent.delivered();
    expect(bodyOf(await ask())).toMatchObject({ version: 2, value: 'second-canary' });
  });

  test('into a stored secret, and back, is one change of one secret', async () => {
    await start();
    const told: string[] = [];
    const watching = request({ socketPath: agent.enrolled.socket, path: '/v1/watch' }, (stream) =>
      stream.setEncoding('utf8').on('data', (text: string) => told.push(text)),
    ).end();
    await until(() => told.length > 0);
    agent.double.putSecret('db/password', 'stored now');
    await agent.delivered();
    expect(bodyOf(await ask())).toMatchObject({ value: 'stored now' });
    agent.double.putReference('db/password', uriOf('db'));
    await agent.delivered();
    expect(bodyOf(await ask())).toMatchObject({ value: 'first-canary' });
    const changes = told.join('').match(/^data: \{"kind.*$/gm) ?? [];
    watching.destroy();
    expect(changes.map((line) => JSON.parse(line.slice(6)))).toEqual([
      expect.objectContaining({ kind: 'secret', name: 'db/password', removed: false }),
      expect.objectContaining({ kind: 'secret', name: 'db/password', removed: false }),
    ]);
  });

  test('[SG-33] is gone with everything else when the agent is revoked', async () => {
    await start();
    await ask();
    agent.double.failNext('/agent/v1/pull', new Refusal(401, 'agent.revoked'));
    agent.double.putSecret('stored', 'next');
    await agent.daemon.untilHealth(({ status }) => status === 'revoked');
    expect(bodyOf(await ask())).toMatchObject({ status: 403, code: 'agent.revoked' });
  });
});

test('[SG-15] [SG-03] what was read by way of a reference is told to the control plane, and what failed', async () => {
  await start();
  agent.double.putReference('elsewhere', 'vault://kv/none#x');
  await agent.delivered();
  const headers = { 'x-request-id': 'shop-1' };
  await ask('db/password', headers);
  await ask('elsewhere', headers);
  await agent.daemon.stop();
  await using _again = await startDaemon(agent.enrolled);
  const told = () => agent.double.reports.flatMap(({ events }) => events);
  await until(() => told().some(({ action }) => action === 'agent:stop'));
  for (const expected of [
    { action: 'value:read', subject: 'secret:db/password', outcome: 'done', code: null },
    { action: 'reference:fail', subject: 'secret:elsewhere', code: 'reference.not_found' },
  ])
    expect(told()).toContainEqual(
      expect.objectContaining({ ...expected, requestId: 'shop-1', version: 1 }),
    );
  expect(JSON.stringify(agent.double.reports)).not.toContain('canary');
});

describe('[AT-15] the value of a reference', () => {
  test('is neither in the agent’s log, nor on its disk, nor in what it sends to the control plane', async () => {
    await start();
    expect(bodyOf(await ask())).toMatchObject({ value: 'first-canary' });
    await ask('db/password?field=x');
    vault.peer?.failAll({ status: 500, json: 'first-canary' });
    await ask();
    agent.double.putSecret('stored', 'next');
    await agent.delivered();
    const onDisk = await contentsBelow(agent.enrolled.home.path);
    expect(onDisk.length).toBeGreaterThan(2);
    const sent = agent.double.received.map((request) => JSON.stringify(request));
    expect(sent.length).toBeGreaterThan(2);
    const places = [...onDisk, ...sent, JSON.stringify(agent.daemon.log)].join('\n');
    for (const form of ['first-canary', Buffer.from('first-canary').toString('base64')])
      expect(places).not.toContain(form);
  });
});
