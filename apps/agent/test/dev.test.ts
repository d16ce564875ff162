import { access, readdir, stat, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { Issuer, type IssuedLeaf } from '@sallyport/tls/test/issuer';
import { health } from '../src/local-api/health.ts';
import { askSocket, responseTo, until } from './harness.ts';
import { agentCommand, runAgent, runAgentProcess } from './run-agent.ts';
import { runningDev, valuesFile, type RunningDev } from './running-dev.ts';

const VALUES = `
secrets:
  db/password: only-for-tests
  db/login: { value: '{"user":"shop"}' }
  db/root: { value: of a lease, lease: { ttlSeconds: 60 } }
  db/once: { value: of one use, lease: { ttlSeconds: 60, maxUses: 1 } }
  api/key: { reference: env://API_KEY }
config:
  web: { port: 8080 }
certificates:
  web: { chainFile: web.pem, keyFile: web.key }
`;

let home: TempDirectory;
let issuer: Issuer;
let leaf: IssuedLeaf;
beforeAll(async () => {
  home = await createTempDirectory('dev-test');
  issuer = await (await Issuer.root()).intermediate();
  leaf = await issuer.leaf();
  await writeFile(join(home.path, 'web.pem'), leaf.chain);
  await writeFile(join(home.path, 'web.key'), leaf.key);
});
afterAll(async () => {
  await home.remove();
  await expectNoLeftovers();
});

const dev = (yaml = VALUES) => runningDev(home, yaml);

describe('[SG-45] the values of a file', () => {
  let running: RunningDev;
  beforeAll(async () => (running = await dev()));
  afterAll(async () => running[Symbol.asyncDispose]());

  test('are served as those of a control plane: secrets, config, certificates, references', async () => {
    const { json } = running;
    expect(await json('/v1/secrets/db/password')).toEqual({
      status: 200,
      json: { name: 'db/password', version: 1, revision: 1, value: 'only-for-tests' },
    });
    expect(await json('/v1/secrets/db/login?field=user')).toMatchObject({
      json: { value: 'shop' },
    });
    expect(await json('/v1/secrets/api/key')).toMatchObject({
      json: { value: 'from the environment' },
    });
    expect(await json('/v1/config/web')).toEqual({ status: 200, json: { port: 8080 } });
    const { chain, key } = leaf;
    expect(await json('/v1/certificates/web')).toMatchObject({ json: { version: 1, chain, key } });
    expect(await json('/v1/secrets')).toMatchObject({
      json: { items: [{ name: 'db/password' }, { name: 'db/login' }, { name: 'api/key' }] },
    });
    expect((await json('/v1/secrets/nowhere')).status).toBe(404);
  });

  test('are served by an agent that is ready, and has nothing to complain of', async () => {
    const { body } = await askSocket(running.socket, '/healthz');
    expect(health.parse(JSON.parse(body))).toMatchObject({
      status: 'ready',
      staleSince: null,
      offline: false,
      controlPlane: { state: 'connected' },
      conditions: [],
    });
  });

  test('leave nothing on a disk but a socket in a directory of its own, and say what they are', async () => {
    const directory = dirname(running.socket);
    expect((await stat(directory)).mode & 0o7777).toBe(0o700);
    expect((await stat(running.socket)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(['agent.sock']);
    expect((await readdir(home.path)).filter((name) => !/^(values|web)/.test(name))).toEqual([]);
    await running.process.waitForLine(/for tests and development only.*plain text/);
    expect(running.process.output()).not.toContain('only-for-tests');
  });

  test('are not served at the socket of an agent that answers', async () => {
    const args = ['dev', '--values', await valuesFile(home, VALUES), '--socket', running.socket];
    const { code, stderr } = await runAgent([...args, '--', 'true']);
    expect({ code, stderr }).toEqual({ code: 8, stderr: expect.stringContaining('another agent') });
    expect((await running.json('/v1/secrets/db/password')).status).toBe(200);
  });
});

describe('[SG-45] a lease', () => {
  let running: RunningDev;
  beforeAll(async () => (running = await dev()));
  afterAll(async () => running[Symbol.asyncDispose]());
  const codeOf = ({ status, json }: Awaited<ReturnType<RunningDev['json']>>) => [
    status,
    json['code'],
  ];

  test('is taken, read, renewed within its bounds, and given back', async () => {
    const { json, socket } = running;
    const taken = await json('/v1/leases', { secret: 'db/root', ttlSeconds: 20 });
    expect(taken).toMatchObject({
      status: 201,
      json: { value: 'of a lease', version: 1, usesLeft: null },
    });
    const path = `/v1/leases/${String(taken.json['id'])}`;
    for (const id of [path, path.replace(/[^/]+$/, (text) => text.toUpperCase())])
      expect(await json(id)).toMatchObject({ status: 200, json: { value: 'of a lease' } });
    const { lastsUntil } = taken.json;
    // What it lasts longer by is the rest of its time, to the millisecond.
    expect(await json(`${path}/renew`, {})).toMatchObject({ json: { expiresAt: lastsUntil } });
    expect(codeOf(await json(`${path}/renew`, {}))).toEqual([409, 'lease.not_renewable']);
    const ending = () => askSocket(socket, path, { method: 'DELETE' });
    expect((await ending()).status).toBe(204);
    expect(codeOf(await json(path))).toEqual([410, 'lease.ended']);
    expect((await ending()).status).toBe(410);
    // The document says so, too.
    expect(await json('/openapi.json')).toMatchObject({
      json: {
        paths: {
          '/v1/leases/{id}': {
            delete: {
              responses: { default: { description: expect.stringContaining('`lease.ended`') } },
            },
          },
        },
      },
    });
  });

  test('for one use is gone at the second read, and what it lends is delivered to nobody', async () => {
    const { json } = running;
    const taken = await json('/v1/leases', { secret: 'db/once' });
    expect(taken).toMatchObject({ status: 201, json: { value: 'of one use', usesLeft: 0 } });
    const path = `/v1/leases/${String(taken.json['id'])}`;
    expect(codeOf(await json(path))).toEqual([410, 'lease.used_up']);
    expect(codeOf(await json('/v1/secrets/db/once'))).toEqual([404, 'secret.not_found']);
  });

  test('is refused of what is delivered, and of what is not there', async () => {
    const { json } = running;
    const asked = (secret: string) => json('/v1/leases', { secret });
    expect(codeOf(await asked('db/password'))).toEqual([409, 'secret.not_lent']);
    expect(codeOf(await asked('nowhere'))).toEqual([404, 'secret.not_found']);
  });

  test('ends when its secret is taken out of the file, as by an operator', async () => {
    const { json, write } = running;
    const taken = await json('/v1/leases', { secret: 'db/root' });
    await write(VALUES.replace(/^ *db\/root.*\n/m, ''));
    const path = `/v1/leases/${String(taken.json['id'])}`;
    await until(async () => (await json(path)).status === 410);
    expect(codeOf(await json(path))).toEqual([410, 'lease.ended']);
  });
});

describe('[SG-45] a file that changes', () => {
  test('is a new revision: what differs has the next version, and who watches is told of it alone', async () => {
    await using running = await dev();
    const sent = request({ socketPath: running.socket, path: '/v1/watch', agent: false });
    const stream: IncomingMessage = await responseTo(sent);
    let heard = '';
    stream.setEncoding('utf8').on('data', (text: string) => (heard += text));
    await running.write(VALUES.replace('only-for-tests', 'another').replace(/^config:\n.*\n/m, ''));
    await until(() => /^data: {"revision":2}$/m.test(heard));
    const changes = [...heard.matchAll(/event: change\ndata: (.*)/g)];
    expect(changes.map(([, data = '']) => JSON.parse(data))).toEqual([
      { kind: 'secret', name: 'db/password', version: 2, removed: false, revision: 2 },
      { kind: 'plugin', name: 'web', version: 1, removed: true, revision: 2 },
    ]);
    sent.destroy();
    expect(await running.json('/v1/secrets/db/password')).toMatchObject({
      json: { version: 2, revision: 2, value: 'another' },
    });
    expect(await running.json('/v1/secrets/db/login')).toMatchObject({ json: { version: 1 } });
  });

  test('takes a certificate anew when that changes beside it', async () => {
    await using running = await dev();
    const other = await issuer.leaf();
    await writeFile(join(home.path, 'web.key'), other.key);
    await running.process.waitForLine(
      /certificates\.web\.keyFile .*"msg":"the values file is not taken/,
    );
    expect(await running.json('/v1/certificates/web')).toMatchObject({ json: { key: leaf.key } });
    await writeFile(join(home.path, 'web.pem'), other.chain);
    await until(async () => (await running.json('/v1/certificates/web')).json['key'] === other.key);
    expect(await running.json('/v1/certificates/web')).toMatchObject({ json: { version: 2 } });
  });

  test('and is bad leaves the values that there were, and is told without what is in it', async () => {
    await using running = await dev('secrets: { a: one }');
    await running.write('secrets: { a: canary, "b c": canary }');
    await running.process.waitForLine(/a key of secrets on line 1 .*the values file is not taken/);
    const { body } = await askSocket(running.socket, '/healthz');
    expect(health.parse(JSON.parse(body))).toMatchObject({
      status: 'ready',
      fileProblems: [expect.stringMatching(/^a key of secrets on line 1 .*[^.]\.$/)],
      conditions: [{ code: 'files_refused' }],
    });
    expect(await running.json('/v1/secrets/a')).toMatchObject({ json: { value: 'one' } });
    await running.write('');
    await running.process.waitForLine(/has no values in it.*the values file is not taken/);
    await running.write('secrets: { a: two }');
    await until(async () => (await running.json('/v1/secrets/a')).json['value'] === 'two');
    expect(running.process.output()).not.toContain('canary');
  });
});

describe('[SG-45] a command', () => {
  const beside = async (command: string[], env: Record<string, string> = {}) => {
    const path = await valuesFile(home, VALUES);
    return runAgentProcess(['dev', '--values', path, '--', ...command], {
      HOME: home.path,
      ...env,
    });
  };

  test('finds the agent by its environment, once that has all values', async () => {
    const read = ['exec', '--no-mask', '--env', 'X=secret:db/password', '--', 'printenv', 'X'];
    const { code, stdout } = await beside([...agentCommand, ...read], {
      SALLYPORT_AGENT_SOCKET: join(home.path, 'of-another-agent.sock'),
    });
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'only-for-tests\n' });
  });

  test('gives its exit code, and the agent ends with it', async () => {
    const { code, stdout } = await beside(['sh', '-c', 'echo $SALLYPORT_AGENT_SOCKET; exit 42']);
    expect(code).toBe(42);
    await expect(access(dirname(stdout.trim()))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('that is not there is 127, and is not repeated', async () => {
    const { code, stderr } = await beside(['canary-not-there']);
    expect(code).toBe(127);
    expect(stderr).toContain('the command is not there');
    expect(stderr).not.toContain('canary');
  });

  test('gets the signals that are sent to the agent, which goes on serving until it has ended', async () => {
    const script = `
      const socketPath = process.env.SALLYPORT_AGENT_SOCKET;
      process.on('SIGTERM', () =>
        require('node:http').get({ socketPath, path: '/v1/config/web' }, (reply) =>
          reply.pipe(process.stdout).on('unpipe', () => (process.exitCode = 5, clearInterval(busy))),
        ),
      );
      const busy = setInterval(() => {}, 60_000);
      console.log('started');`;
    const run = ['dev', '--values', await valuesFile(home, VALUES), '--', process.execPath];
    const started = startProcess({
      command: [...agentCommand, ...run, '-e', script],
      env: { HOME: home.path },
    });
    await started.waitForLine(/^started$/);
    started.kill('SIGTERM');
    expect(await started.exited).toEqual({ code: 5, signal: null });
    expect(started.stdout).toContain('{"port":8080}');
  });
});
