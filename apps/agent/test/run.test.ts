import { once } from 'node:events';
import { access, chmod, lstat, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startWithin } from '@sallyport/testkit/patience';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { askSocket, enrollWith, until, type Enrolled } from './harness.ts';
import { agentCommand, runAgentProcess } from './run-agent.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestProcess;
let flags: string[];

beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'pä$$ "word"');
  double.putSecret('with-nul', 'a\0b');
  double.putPlugin('rate-limit', { perSecond: 5 });
  enrolled = await enrollWith(double);
  flags = ['--state-dir', enrolled.stateDir, '--socket', enrolled.socket];
  daemon = startProcess({ command: [...agentCommand, 'run', ...flags] });
  await daemon.waitForLine(/"revision applied"/);
});

afterAll(async () => {
  await daemon.stop();
  await double.stop();
  await enrolled.home.remove();
  await expectNoLeftovers();
});

const sallyportAgent = (args: string[], env: Record<string, string> = {}) =>
  runAgentProcess(args, { HOME: enrolled.home.path, ...env });

describe('run', () => {
  test('before an enrolment exits 7 and says what to do', async () => {
    const { code, stderr } = await sallyportAgent([
      'run',
      '--state-dir',
      join(enrolled.home.path, 'empty'),
    ]);
    expect(code).toBe(7);
    expect(stderr).toMatch(
      /^sallyport-agent: no agent is enrolled in .* — run: sallyport-agent enroll\n$/,
    );
  });

  test('[AX-26] [AX-10] warns at its start of a credential in its file and of weak suites, by their keys', async () => {
    const file = join(enrolled.home.path, 'agent.yaml');
    const suites = 'TLS_AES_256_GCM_SHA384, TLS_RSA_WITH_AES_128_CBC_SHA';
    const tls = `controlPlane: { tls: { cipherSuites: [${suites}] } }`;
    await writeFile(file, `proxy: { url: 'http://u:canary@127.0.0.1:1' }\n${tls}\n`);
    const empty = ['run', '--state-dir', join(enrolled.home.path, 'empty')];
    const { stderr } = await sallyportAgent(empty, { SALLYPORT_AGENT_CONFIG: file });
    expect(stderr).toMatch(/"level":"warn"[^\n]*"detail":"proxy\.url[^"\n]* in plain text/);
    expect(stderr).toMatch(/"level":"warn"[^\n]*"detail":"controlPlane\.tls\.cipherSuites: weak/);
    expect(stderr).not.toContain('canary');
  });

  test('in a directory that others can read exits 6 with the command that repairs it', async () => {
    const open = join(enrolled.home.path, 'open');
    await mkdir(open);
    await chmod(open, 0o755);
    const { code, stderr } = await sallyportAgent(['run', '--state-dir', open]);
    expect({ code, stderr }).toEqual({
      code: 6,
      stderr: expect.stringContaining(`chmod 700 ${open}`),
    });
  });

  test('at a socket whose name is a number makes that file, and opens no TCP port', async () => {
    const other = await enrollWith(double, 'numbered');
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const address = probe.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await new Promise((resolve) => probe.close(resolve));
    const at = ['--state-dir', other.stateDir, '--socket', String(port)];
    const agent = startProcess({ command: [...agentCommand, 'run', ...at], cwd: other.home.path });
    await agent.waitForLine(/"revision applied"/);
    const asked = startProcess({
      command: [...agentCommand, 'get', 'db/password', ...at],
      cwd: other.home.path,
    });
    expect(await asked.exited).toEqual({ code: 0, signal: null });
    expect(asked.output()).toBe('pä$$ "word"');
    expect((await lstat(join(other.home.path, String(port)))).isSocket()).toBe(true);
    await expect(once(connect(port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED');
    await agent.stop();
    await other.home.remove();
  });

  test('at a socket that is in use exits 8', async () => {
    const other = await enrollWith(double, 'web-3');
    const own = ['--state-dir', other.stateDir, '--socket', enrolled.socket];
    const { code, stderr } = await sallyportAgent(['run', ...own]);
    expect({ code, stderr }).toEqual({
      code: 8,
      stderr: expect.stringContaining(`another agent answers at ${enrolled.socket}`),
    });
    await other.home.remove();
  });

  test('[F-02] killed and started again without a control plane, it serves in under two seconds and stops in two', async () => {
    const other = await enrollWith(double, 'web-2');
    const command = [
      ...agentCommand,
      'run',
      '--state-dir',
      other.stateDir,
      '--socket',
      other.socket,
    ];
    const first = startProcess({ command });
    await until(() =>
      double
        .requestsTo('/agent/v1/pull')
        .some(({ body }) => body.includes(`"revision":${double.group.revision}`)),
    );
    await first.waitForLine(/"revision applied"/);
    await until(() =>
      access(join(other.stateDir, 'bundle.json')).then(
        () => true,
        () => false,
      ),
    );
    first.kill('SIGKILL');
    await first.exited;
    await double.stop();

    const startedAt = performance.now();
    const second = startProcess({ command });
    const served = await until(() =>
      askSocket(other.socket, '/v1/secrets/db/password').catch(() => undefined),
    );
    const servedMs = performance.now() - startedAt;
    expect(JSON.parse(served.body)).toMatchObject({ value: 'pä$$ "word"' });
    expect(servedMs).toBeLessThan(await startWithin(2000));

    const stoppingAt = performance.now();
    expect(await second.stop()).toEqual({ code: 0, signal: null });
    expect(performance.now() - stoppingAt).toBeLessThan(2000);
    await expect(access(other.socket)).rejects.toThrow('ENOENT');
    await double.start();
    await other.home.remove();
  });
});

test('the log is JSON on standard error, tells the agent’s life, and holds no value and no key', async () => {
  const lines = daemon.stderr.map((line) => JSON.parse(line));
  expect(lines.map(({ msg }) => msg)).toEqual(
    expect.arrayContaining(['listening', 'session opened', 'revision applied']),
  );
  const { signingKey, encryptionKey } = JSON.parse(
    await readFile(join(enrolled.stateDir, 'identity.json'), 'utf8'),
  );
  for (const canary of ['word', 'perSecond', signingKey.d, encryptionKey.d])
    expect(daemon.output()).not.toContain(canary);
});
