import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, startDaemon, until, type Enrolled, type TestDaemon } from './harness.ts';
import { runningAgent, type RunningAgent } from './running-agent.ts';

const awkward = 'quote " backslash \\ newline \n tab \t ünïcödé 🔑 \u0001 end';
let agent: RunningAgent;
let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestDaemon;

beforeAll(async () => {
  agent = await runningAgent((filled) => {
    filled.putSecret('db/password', 's3cret');
    filled.putSecret('awkward', awkward);
    filled.putSecret('login', JSON.stringify({ user: 'shop', password: awkward }));
    filled.putPlugin('rate-limit', { perSecond: 5, nested: { list: [1, 'two'] } });
  });
  ({ double, enrolled, daemon } = agent);
});
afterAll(() => agent.end());

describe('[SG-24] GET /v1/secrets/{name}', () => {
  test.each(['/v1/secrets/db/password', '/v1/secrets/db%2Fpassword'])(
    '%s answers the value with its version and revision',
    async (path) => {
      const { status, headers, body } = await daemon.ask(path);
      expect(status).toBe(200);
      expect(JSON.parse(body)).toEqual({
        name: 'db/password',
        version: 1,
        revision: double.group.revision,
        value: 's3cret',
      });
      expect(headers).toMatchObject({
        'content-type': 'application/json',
        'cache-control': 'no-store',
        etag: expect.stringMatching(/^"1-[\w-]{12}"$/),
      });
      expect(Number(headers.age)).toBeLessThan(60);
      expect(headers.warning).toBeUndefined();
    },
  );

  test('answers one version, and one field of a secret that is JSON, exactly', async () => {
    const read = async (query: string) =>
      JSON.parse((await daemon.ask(`/v1/secrets/login?${query}`)).body);
    expect(await read('version=1')).toMatchObject({ name: 'login', version: 1 });
    expect(await read('field=user')).toMatchObject({ field: 'user', value: 'shop' });
    expect(await read('version=1&field=%2Fpassword')).toMatchObject({
      field: '/password',
      value: awkward,
    });
  });

  test('answers any text exactly', async () => {
    expect(await daemon.secret('awkward')).toBe(awkward);
  });

  test.each<(etag: string) => string>([
    (etag) => etag,
    (etag) => `W/${etag}`,
    (etag) => `"0", ${etag}`,
    () => '*',
  ])('answers 304 without the value to If-None-Match: %s', async (tagOf) => {
    const { etag = '' } = (await daemon.ask('/v1/secrets/db/password')).headers;
    const { status, headers, body } = await daemon.ask('/v1/secrets/db/password', {
      headers: { 'if-none-match': tagOf(etag) },
    });
    expect({ status, body, etag: headers.etag }).toEqual({ status: 304, body: '', etag });
  });

  test('answers the value to If-None-Match of another version', async () => {
    expect(
      (await daemon.ask('/v1/secrets/db/password', { headers: { 'if-none-match': '"2"' } })).status,
    ).toBe(200);
  });
});

test('[SG-04] a secret that was deleted and made anew is served, though its version is 1 again', async () => {
  double.putSecret('recreated', 'old');
  await daemon.untilHealth(({ revision }) => revision === double.group.revision);
  const { etag = '' } = (await daemon.ask('/v1/secrets/recreated')).headers;
  double.deleteSecret('recreated');
  double.putSecret('recreated', 'new');
  await daemon.untilHealth(({ revision }) => revision === double.group.revision);
  const { status, body } = await daemon.ask('/v1/secrets/recreated', {
    headers: { 'if-none-match': etag },
  });
  expect({ status, ...JSON.parse(body || '{}') }).toMatchObject({
    status: 200,
    version: 1,
    value: 'new',
  });
  double.deleteSecret('recreated');
  await daemon.untilHealth(({ revision }) => revision === double.group.revision);
});

test('a connection that says nothing is closed before it can keep others out for long', async () => {
  const silent = connect(enrolled.socket).resume();
  const begun = performance.now();
  await once(silent, 'close');
  expect(performance.now() - begun).toBeLessThan(10_000);
}, 20_000);

describe('[SG-24] the other reads', () => {
  test('GET /v1/config/{plugin} answers the JSON object itself', async () => {
    const { status, headers, body } = await daemon.ask('/v1/config/rate-limit');
    expect({ status, etag: headers.etag }).toEqual({
      status: 200,
      etag: expect.stringMatching(/^"1-/),
    });
    expect(JSON.parse(body)).toEqual({ perSecond: 5, nested: { list: [1, 'two'] } });
  });

  test('the lists name what there is and hold no value', async () => {
    const secrets = await daemon.ask('/v1/secrets');
    expect(JSON.parse(secrets.body)).toEqual({
      revision: double.group.revision,
      complete: true,
      items: [
        { name: 'db/password', version: 1 },
        { name: 'awkward', version: 1 },
        { name: 'login', version: 1 },
      ],
    });
    expect(secrets.body).not.toContain('s3cret');
    const configs = await daemon.ask('/v1/config');
    expect(JSON.parse(configs.body)).toMatchObject({ items: [{ name: 'rate-limit', version: 1 }] });
  });

  test('GET /healthz tells the truth about the agent', async () => {
    const { status, body } = await daemon.ask('/healthz');
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      status: 'ready',
      agent: { id: enrolled.identity.agentId, name: 'web-1', group: 'plant-7' },
      revision: double.group.revision,
      epoch: 1,
      entries: 4,
      staleSince: null,
      offline: false,
      controlPlane: { url: double.url, state: 'connected', lastError: null },
      durable: { error: null },
    });
  });
});

describe('a bad request', () => {
  test.each([
    ['/v1/secrets/unknown', 404, 'secret.not_found'],
    ['/v1/config/unknown', 404, 'plugin.not_found'],
    ['/v1/secrets/', 400, 'request.invalid'],
    ['/v1/secrets/../identity', 400, 'request.invalid'],
    ['/v1/secrets/a%00b', 400, 'request.invalid'],
    ['/v1/secrets/%ff', 400, 'request.invalid'],
    ['/v1/secrets/db/password?version=2', 404, 'secret.version_not_found'],
    ['/v1/secrets/db/password?field=user', 422, 'secret.not_json'],
    ['/v1/secrets/login?field=none', 404, 'secret.field_not_found'],
    ['/v1/secrets/db/password?version=x', 400, 'request.invalid'],
    ['/v1/config/rate-limit?version=1', 400, 'request.invalid'],
    ['/v1/secrets?version=1', 400, 'request.invalid'],
    ['/healthz?verbose', 400, 'request.invalid'],
    ['/v1/secretsx', 404, 'request.not_found'],
    ['/', 404, 'request.not_found'],
  ])('for %s is answered %i %s', async (path, status, code) => {
    const reply = await daemon.ask(path, { headers: { 'x-request-id': 'app-1' } });
    expect(reply.status).toBe(status);
    expect(reply.headers).toMatchObject({
      'content-type': 'application/problem+json',
      'x-request-id': 'app-1',
    });
    const type = `urn:sallyport:problem:${code}`;
    expect(JSON.parse(reply.body)).toMatchObject({ status, code, requestId: 'app-1', type });
  });

  test.each(['POST', 'PUT', 'DELETE', 'HEAD'])('by %s is answered 405', async (method) => {
    const reply = await daemon.ask('/v1/secrets/db/password', { method });
    expect(reply.status).toBe(405);
    expect(reply.headers.allow).toBe('GET');
  });

  test('with headers past 8 KiB is refused', async () => {
    expect(
      (await daemon.ask('/healthz', { headers: { 'x-filler': 'x'.repeat(9000) } })).status,
    ).toBe(431);
  });
});

describe('GET /v1/watch', () => {
  async function watch(): Promise<IncomingMessage> {
    const sent = request({ socketPath: enrolled.socket, path: '/v1/watch', agent: false }).end();
    const [response]: IncomingMessage[] = await once(sent, 'response');
    if (response === undefined) throw new Error('no response');
    return response;
  }

  test('[SG-11] tells of every entry that changed or went, and never of its value', async () => {
    const response = await watch();
    let stream = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (stream += chunk));
    const { revision } = double.group;
    await until(() => stream.includes(`id: ${revision}\nevent: revision\n`));

    double.putSecret('watched', 'canary-value');
    const brought = {
      kind: 'secret',
      name: 'watched',
      version: 1,
      removed: false,
      revision: revision + 1,
    };
    await until(() => stream.includes(`event: revision\ndata: {"revision":${revision + 1}}\n\n`));
    expect(stream).toContain(`\n\nevent: change\ndata: ${JSON.stringify(brought)}\n\n`);

    double.deleteSecret('watched');
    const removed = {
      kind: 'secret',
      name: 'watched',
      version: 1,
      removed: true,
      revision: revision + 2,
    };
    await until(() => stream.includes(`data: ${JSON.stringify(removed)}\n\n`));
    expect(stream).not.toContain('canary-value');
    response.destroy();
  });

  test('is refused to the 65th watcher, and free again when one leaves', async () => {
    const watchers = await Promise.all(Array.from({ length: 64 }, watch));
    const refused = await daemon.ask('/v1/watch');
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'agent.busy' });
    watchers[0]?.destroy();
    const again = await until(async () => {
      const next = await watch();
      if (next.statusCode === 200) return next;
      next.destroy();
      return undefined;
    });
    for (const watcher of [...watchers, again]) watcher.destroy();
  });
});

test('a socket that a running agent answers is refused to a second one, and the first lives on', async () => {
  const other = await enrollWith(double, 'web-2');
  await expect(startDaemon({ ...other, socket: enrolled.socket })).rejects.toMatchObject({
    code: 'socket.in_use',
    message: `another agent answers at ${enrolled.socket}`,
  });
  await other.home.remove();
  expect(await daemon.secret('db/password')).toBe('s3cret');
});
