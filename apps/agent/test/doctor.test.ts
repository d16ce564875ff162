import { createHash } from 'node:crypto';
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { makeAuthority } from '@sallyport/tls/test/authority';
import { z } from 'zod';
import { storedIdentity } from '../src/state/identity.ts';
import { ageState } from './age-state.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, startDaemon, type Enrolled } from './harness.ts';
import { runAgent } from './run-agent.ts';

const report = z.strictObject({
  ok: z.boolean(),
  findings: z.array(
    z.strictObject({
      check: z.string(),
      outcome: z.enum(['ok', 'warning', 'failed', 'skipped']),
      detail: z.string(),
      advice: z.string().nullable(),
    }),
  ),
});

let double: ControlPlaneDouble;
let enrolled: Enrolled;
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'canary-value');
  enrolled = await enrollWith(double);
});
afterEach(async () => {
  await double.stop();
  await enrolled.home.remove();
});

const args = () => ['doctor', '--state-dir', enrolled.stateDir, '--socket', enrolled.socket];

async function doctor(env: Record<string, string> = {}, ...more: string[]) {
  const { code, stdout, stderr } = await runAgent([...args(), '--json', ...more], { env });
  const { ok, findings } = report.parse(JSON.parse(stdout));
  const of = (check: string) => findings.filter((each) => each.check === check);
  return { code, stderr, ok, findings, of };
}

/** Runs the agent until it has kept a bundle, and ends it. */
async function runOnce(): Promise<void> {
  await using daemon = await startDaemon(enrolled);
  await daemon.untilHealth(({ durable }) => durable.revision !== null);
}

async function changeIdentity(change: (identity: Enrolled['identity']) => void): Promise<void> {
  const path = join(enrolled.stateDir, 'identity.json');
  const identity = storedIdentity.parse(JSON.parse(await readFile(path, 'utf8')));
  change(identity);
  await writeFile(path, JSON.stringify(identity));
}

/** Names, modes, times and contents of everything in the state directory. */
async function snapshot(): Promise<string> {
  const names = (await readdir(enrolled.home.path, { recursive: true })).toSorted();
  const seen = names.map(async (name) => {
    const path = join(enrolled.home.path, name);
    const { mode, mtimeMs, ino } = await stat(path);
    const content = await readFile(path).catch(() => '');
    return [name, mode, mtimeMs, ino, createHash('sha256').update(content).digest('hex')].join();
  });
  return (await Promise.all(seen)).join('\n');
}

const bad = (outcome: 'failed' | 'warning', detail: RegExp, advice?: RegExp) => ({
  check: expect.any(String),
  outcome,
  detail: expect.stringMatching(detail),
  advice: advice === undefined ? null : expect.stringMatching(advice),
});

test('doctor finds nothing wrong beside an agent that runs well, and prints no secret', async () => {
  await using daemon = await startDaemon(enrolled);
  await daemon.untilHealth(
    ({ status, durable }) => status === 'ready' && durable.revision !== null,
  );
  const { code, ok, findings, of } = await doctor();
  // The agent is in this process, which is open to debuggers.
  const found = findings.filter(({ check }) => check !== 'memory');
  expect(found.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
  expect({ code, ok }).toEqual({ code: 0, ok: true });
  expect(findings.map(({ check }) => check)).toEqual([
    ...['configuration', 'state directory', 'identity', 'client certificate'],
    ...['running agent', 'files'],
    ...['certificate files', 'references', 'name resolution', 'connection', 'tls'],
    ...['certificates', 'clock', 'durable bundle', 'local socket'],
    ...['program sockets', 'programs', 'memory'],
  ]);
  expect(of('running agent')[0]?.detail).toMatch(/^an agent runs/);
  expect(of('tls')[0]?.detail).toContain('X25519MLKEM768');
  const { stdout } = await runAgent(args());
  expect(stdout).toMatch(/^ok +clock +this host’s clock is in step/m);
  const { signingKey, encryptionKey } = enrolled.identity;
  for (const secret of [signingKey.d, encryptionKey.d, 'canary-value'])
    expect(stdout + JSON.stringify(findings)).not.toContain(secret);
});

test('doctor changes nothing, and tells an agent that does not run from one that does', async () => {
  await runOnce();
  const before = await snapshot();
  const { code, of } = await doctor();
  expect(await snapshot()).toBe(before);
  expect(code).toBe(0);
  expect(of('running agent')[0]?.detail).toMatch(/^no agent runs/);
  expect(of('local socket')).toEqual([bad('warning', /no agent answers/, /sallyport-agent run/)]);
});

test('doctor before the first enrolment names the way out, and makes no directory', async () => {
  const stateDir = join(enrolled.home.path, 'nowhere');
  const { code, of } = await doctor({}, '--state-dir', stateDir);
  expect(code).toBe(11);
  expect(of('state directory')).toEqual([bad('failed', /is not there/, /sallyport-agent enroll/)]);
  expect(of('identity')[0]?.outcome).toBe('skipped');
  expect(of('tls')[0]?.outcome).toBe('skipped');
  await expect(stat(stateDir)).rejects.toThrow('ENOENT');
});

test('doctor reports every problem of a configuration that is not valid', async () => {
  const config = join(enrolled.home.path, 'agent.yaml');
  await writeFile(config, 'sockets: x\nlog: {level: loud}\n');
  const { code, findings } = await doctor({}, '--config', config);
  expect(code).toBe(11);
  expect(findings).toEqual([
    { ...bad('failed', /sockets/), check: 'configuration' },
    { ...bad('failed', /log\.level/), check: 'configuration' },
  ]);
});

test('[BM-06] doctor reports each file that is missing', async () => {
  const missing = (name: string) => join(enrolled.home.path, 'missing', name);
  const config = join(enrolled.home.path, 'agent.yaml');
  const settings = {
    tokenFile: missing('token'),
    controlPlane: { truststore: { file: missing('ca.pem') } },
    proxy: { url: 'http://127.0.0.1:1', ca: missing('proxy-ca.pem') },
    certificateFiles: [
      { certificate: 'web', file: missing('web.pem') },
      { certificate: 'mail', file: missing('mail.pem') },
    ],
  };
  await writeFile(config, JSON.stringify(settings));
  const { code, of } = await doctor({}, '--config', config);
  expect(code).toBe(11);
  expect(of('files')).toEqual([
    bad('failed', /missing\/ca\.pem is missing/, /controlPlane\.truststore\.file/),
    bad('failed', /missing\/proxy-ca\.pem is missing/, /proxy\.ca/),
    bad('failed', /missing\/token is missing/, /tokenFile/),
  ]);
  expect(of('certificate files')).toEqual([
    bad('warning', /web\.pem is missing/, /certificate web/),
    bad('warning', /mail\.pem is missing/, /certificate mail/),
  ]);
});

describe('[SG-35] doctor finds', () => {
  test('a state directory that others may read', async () => {
    await chmod(enrolled.stateDir, 0o755);
    expect((await doctor()).of('state directory')).toEqual([
      bad('failed', /mode 0755/, /^chmod 700 /),
    ]);
  });

  test('a damaged identity', async () => {
    await writeFile(join(enrolled.stateDir, 'identity.json'), '{"format":1');
    expect((await doctor()).of('identity')).toEqual([bad('failed', /is damaged/, /--force/)]);
  });

  test('a private key that is not that of the public one', async () => {
    const other = await enrollWith(double, 'web-2');
    await changeIdentity((identity) => (identity.signingKey.d = other.identity.signingKey.d));
    const found = [bad('failed', /not that of the public one/, /backup/)];
    expect((await doctor()).of('identity')).toEqual(found);
    await changeIdentity((identity) => (identity.signingKey = enrolled.identity.signingKey));
    await changeIdentity((identity) => (identity.encryptionKey.d = other.identity.encryptionKey.d));
    expect((await doctor()).of('identity')).toEqual(found);
    await other.home.remove();
  });

  test('an agent that was revoked', async () => {
    await writeFile(join(enrolled.stateDir, 'revoked.json'), '{}', { mode: 0o600 });
    expect((await doctor()).of('identity')).toEqual([
      bad('failed', /was revoked/, /^stop the agent, enrol it again/),
    ]);
  });

  test('a token file that everybody may read', async () => {
    const file = join(enrolled.home.path, 'token');
    await writeFile(file, 'sp_agent_canary');
    await chmod(file, 0o644);
    const { of, findings } = await doctor({ SALLYPORT_AGENT_TOKEN_FILE: file });
    expect(of('files')).toEqual([bad('failed', /every user of this host/, /^chmod o-rwx/)]);
    expect(JSON.stringify(findings)).not.toContain('canary');
  });

  test('a name that does not resolve', async () => {
    await changeIdentity((identity) => (identity.controlPlane = 'https://cp.invalid:9443'));
    const { of } = await doctor();
    expect(of('name resolution')).toEqual([bad('failed', /cp\.invalid does not resolve/, /DNS/)]);
    expect(of('connection')[0]?.outcome).toBe('failed');
    expect(of('tls')[0]?.outcome).toBe('skipped');
  });

  test('a proxy that is not there, without its password', async () => {
    const { of, findings } = await doctor({
      SALLYPORT_AGENT_PROXY_URL: 'http://user:canary@127.0.0.1:1',
    });
    expect(of('connection')).toEqual([bad('failed', /The proxy http:\/\/127\.0\.0\.1:1 /)]);
    expect(JSON.stringify(findings)).not.toContain('canary');
  });

  test('a control plane that does not answer, or that another CA vouches for', async () => {
    await double.stop();
    const gone = await doctor();
    expect(gone.of('connection')).toEqual([bad('failed', /refused the connection/)]);
    expect(gone.of('clock')[0]?.outcome).toBe('skipped');
    double.tls = await (await makeAuthority()).issue();
    await double.start();
    const stranger = await doctor();
    expect(stranger.of('connection')[0]?.outcome).toBe('ok');
    expect(stranger.of('tls')).toEqual([bad('failed', /no trusted CA issued/)]);
    expect(stranger.of('tls')[0]?.detail).toContain('enroll --force');
    expect(stranger.code).toBe(11);
  });

  test('a certificate that ends soon', async () => {
    await double.stop();
    const notBefore = new Date(Date.now() - 3_600_000);
    double.tls = await double.tlsAuthority.issue({
      notBefore,
      notAfter: new Date(Date.now() + 60_000),
    });
    await double.start();
    const { code, of } = await doctor();
    expect(code).toBe(0);
    expect(of('certificates')).toEqual([bad('warning', /CN=test server ends at/)]);
  });

  test.each([
    ['ten minutes', 600_000, 'warning', /600 s behind/],
    ['thirty hours', -30 * 3_600_000, 'failed', /108000 s ahead of/],
  ] as const)('[F-08] a clock that is %s off, with the measured offset', async (...given) => {
    const [, offsetMs, outcome, told] = given;
    double.clockOffsetMs = offsetMs;
    const { of, code } = await doctor();
    expect(of('clock')).toEqual([bad(outcome, told)]);
    expect(code).toBe(outcome === 'failed' ? 11 : 0);
  });

  test('a durable bundle that does not open, and one that is too old', async () => {
    await runOnce();
    await ageState(enrolled, 3_600_000);
    const old = await doctor({ SALLYPORT_AGENT_MAX_STALE_SECONDS: '1800' });
    expect(old.of('durable bundle')).toEqual([
      bad('failed', /confirmed 36\d\d s ago.* is 1800/, /control plane/),
    ]);
    expect((await doctor()).of('durable bundle')[0]?.outcome).toBe('ok');
    const path = join(enrolled.stateDir, 'bundle.json');
    const bundle = await readFile(path, 'utf8');
    await writeFile(path, bundle.replace(/("durable":"[^"]{80})./, '$1!'));
    const flipped = await doctor();
    expect(flipped.of('durable bundle')[0]?.outcome).toBe('failed');
    expect(await readFile(path, 'utf8')).toContain('!');
  });

  test('an agent that the control plane refuses, though the link to it is good', async () => {
    double.authority.agents.clear();
    await using daemon = await startDaemon(enrolled);
    await daemon.untilHealth(({ controlPlane }) => controlPlane.state === 'refused');
    const { code, of } = await doctor();
    expect(of('connection')[0]?.outcome).toBe('ok');
    expect(of('local socket')).toEqual([
      bad('failed', /refused since .*, agent\.unknown: /, /--force/),
    ]);
    expect(code).toBe(11);
  });

  test('the socket of another agent, and one that does not answer though an agent runs', async () => {
    const other = await enrollWith(double, 'web-2');
    {
      await using _daemon = await startDaemon({ ...other, socket: enrolled.socket });
      expect((await doctor()).of('local socket')).toEqual([
        bad('failed', /is another one, web-2/, /--socket/),
      ]);
    }
    await using _own = await startDaemon({ ...enrolled, socket: other.socket });
    expect((await doctor()).of('local socket')).toEqual([
      bad('failed', /no agent answers/, /--socket/),
    ]);
    const { code, of } = await doctor({}, '--socket', `/${'x'.repeat(110)}`);
    expect(of('local socket')).toEqual([bad('failed', /socket path is 111 bytes/, /--socket/)]);
    expect(code).toBe(11);
    await other.home.remove();
  });
});
