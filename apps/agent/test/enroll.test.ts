import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { runProgram } from '../src/cli/program.ts';
import { storedIdentity, type StoredIdentity } from '../src/state/identity.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';

let double: ControlPlaneDouble;
let home: TempDirectory;
let stateDir: string;
let tokenFile: string;

beforeAll(async () => {
  double = await ControlPlaneDouble.start();
});
afterAll(() => double.stop());

beforeEach(async () => {
  home = await createTempDirectory('enroll');
  stateDir = join(home.path, 'state');
  tokenFile = join(home.path, 'token');
  await writeFile(tokenFile, `${double.mintToken()}\n`, { mode: 0o600 });
  double.clockOffsetMs = 0;
  double.received.length = 0;
});
afterEach(() => home.remove());

type Outcome = { exitCode: number; stdout: string; stderr: string };

/** `sallyport-agent …` in this process. */
async function run(
  args: string[],
  given: { env?: Record<string, string>; stdin?: string } = {},
): Promise<Outcome> {
  const written = { stdout: '', stderr: '' };
  const exitCode = await runProgram(args, {
    env: given.env ?? {},
    hostname: 'web-1',
    stdin: Readable.from([given.stdin ?? '']),
    stdout: { write: (text) => (written.stdout += text.toString()) },
    stderr: { write: (text) => (written.stderr += text) },
  });
  return { exitCode, ...written };
}

function enroll(...more: string[]): Promise<Outcome> {
  const trust = more.includes('--ca-file') ? [] : ['--fingerprint', double.fingerprint];
  return run([
    'enroll',
    '--url',
    double.url,
    '--state-dir',
    stateDir,
    '--token-file',
    tokenFile,
    ...trust,
    ...more,
  ]);
}

async function readIdentity(): Promise<StoredIdentity> {
  return storedIdentity.parse(JSON.parse(await readFile(join(stateDir, 'identity.json'), 'utf8')));
}

describe('[SG-22] enrolment with a single-use token', () => {
  test('makes an agent of the group, named after the host, and keeps its identity as one private file', async () => {
    const { exitCode, stdout, stderr } = await enroll();
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const identity = await readIdentity();
    expect(double.authority.agents.get(identity.agentId)).toMatchObject({
      name: 'web-1',
      group: double.group,
    });
    expect(identity).toMatchObject({ group: { name: 'plant-7' }, controlPlane: double.url });
    expect(stdout).toBe(
      `Enrolled as web-1 (${identity.agentId}) in group plant-7. Start it with: sallyport-agent run\n`,
    );
    expect((await stat(join(stateDir, 'identity.json'))).mode & 0o777).toBe(0o600);
    expect((await readdir(stateDir)).toSorted()).toEqual([
      'high-water.json',
      'identity.json',
      'lock',
    ]);
  });

  test('is refused the second time, in one line, and keeps nothing', async () => {
    await enroll();
    stateDir = join(home.path, 'second');
    const { exitCode, stdout, stderr } = await enroll();
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^sallyport-agent: refused: token\.used_up — .*revoke the agent.*\n$/);
    expect(await readdir(stateDir)).not.toContain('identity.json');
  });

  test('prints JSON when asked', async () => {
    const { stdout } = await enroll('--json', '--name', 'press-3');
    const { agentId } = await readIdentity();
    expect(JSON.parse(stdout)).toEqual({
      agentId,
      name: 'press-3',
      group: 'plant-7',
      controlPlane: double.url,
      stateDir,
    });
  });
});

describe('the token', () => {
  const target = () => [
    'enroll',
    '--url',
    double.url,
    '--state-dir',
    stateDir,
    '--fingerprint',
    double.fingerprint,
  ];

  test('may come from standard input', async () => {
    expect(
      (await run([...target(), '--token-file', '-'], { stdin: `${double.mintToken()}\n` }))
        .exitCode,
    ).toBe(0);
  });

  test('[AX-23] may come from the environment', async () => {
    expect(
      (await run(target(), { env: { SALLYPORT_ENROLLMENT_TOKEN: double.mintToken() } })).exitCode,
    ).toBe(0);
  });

  test('[AX-25] may come from a file that the environment names', async () => {
    expect(
      (await run(target(), { env: { SALLYPORT_ENROLLMENT_TOKEN_FILE: tokenFile } })).exitCode,
    ).toBe(0);
  });

  test('[AX-23] variables that are empty count as unset', async () => {
    const token = double.mintToken();
    const both = { SALLYPORT_ENROLLMENT_TOKEN: token, SALLYPORT_ENROLLMENT_TOKEN_FILE: '' };
    const env = { ...both, SALLYPORT_AGENT_CONFIG: '', SALLYPORT_AGENT_SOCKET: '' };
    expect(await run(target(), { env })).toMatchObject({ exitCode: 0, stderr: '' });
    const none = { SALLYPORT_ENROLLMENT_TOKEN: '', SALLYPORT_ENROLLMENT_TOKEN_FILE: '' };
    expect(await run(target(), { env: none })).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('there is no enrollment token'),
    });
  });

  test('[AX-25] in both variables is refused, and neither is printed', async () => {
    const token = double.mintToken();
    const env = { SALLYPORT_ENROLLMENT_TOKEN: token, SALLYPORT_ENROLLMENT_TOKEN_FILE: tokenFile };
    expect(await run(target(), { env })).toEqual({
      exitCode: 2,
      stdout: '',
      stderr:
        'sallyport-agent: SALLYPORT_ENROLLMENT_TOKEN and SALLYPORT_ENROLLMENT_TOKEN_FILE are both set — keep one\n',
    });
    expect(double.received).toEqual([]);
  });

  test('[AX-25] file that is missing is refused, naming it', async () => {
    const { exitCode, stderr } = await run(target(), {
      env: { SALLYPORT_ENROLLMENT_TOKEN_FILE: '/no/token' },
    });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 2,
      stderr: expect.stringContaining('/no/token'),
    });
  });

  test('cannot be given as an argument', async () => {
    const { exitCode, stderr } = await run([...target(), '--token', double.mintToken()]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^sallyport-agent: unknown option '--token'/);
    expect(double.received).toEqual([]);
  });

  test('that is missing is refused with what to do', async () => {
    const { exitCode, stderr } = await run(target());
    expect({ exitCode, stderr }).toEqual({
      exitCode: 2,
      stderr: expect.stringContaining('--token-file'),
    });
  });

  test('that is mistyped is refused before anything is sent, and is not printed', async () => {
    const token = double.mintToken();
    const mistyped = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A');
    const { exitCode, stderr } = await run([...target(), '--token-file', '-'], { stdin: mistyped });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('its checksum does not match');
    expect(stderr).not.toContain(mistyped.slice(10, 60));
    expect(double.received).toEqual([]);
  });
});

describe('the control plane', () => {
  test('[AX-01] at an http:// URL is refused before a byte is sent', async () => {
    let bytes = 0;
    const server = createServer(
      (socket) => void socket.on('data', (chunk) => (bytes += chunk.length)),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const { exitCode, stderr } = await run([
      'enroll',
      ...['--url', `http://127.0.0.1:${port}`, '--state-dir', stateDir, '--token-file', tokenFile],
      ...['--fingerprint', double.fingerprint],
    ]);
    await new Promise((resolve) => server.close(resolve));
    expect({ exitCode, bytes }).toEqual({ exitCode: 2, bytes: 0 });
    expect(stderr).toMatch(/^sallyport-agent: .*https/);
  });

  test('may be known by its CA’s file', async () => {
    const caFile = join(home.path, 'ca.pem');
    await writeFile(caFile, double.ca);
    expect((await enroll('--ca-file', caFile)).exitCode).toBe(0);
  });

  test('[AX-16] of another fingerprint is refused before the token is sent', async () => {
    const other = double.fingerprint.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    const { exitCode, stderr } = await run([
      'enroll',
      ...[
        '--url',
        double.url,
        '--state-dir',
        stateDir,
        '--token-file',
        tokenFile,
        '--fingerprint',
        other,
      ],
    ]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^sallyport-agent: .*fingerprint/i);
    expect(double.received).toEqual([]);
  });

  test('must be known by a fingerprint or a CA file, not by neither and not by both', async () => {
    const caFile = join(home.path, 'ca.pem');
    await writeFile(caFile, double.ca);
    const base = [
      'enroll',
      '--url',
      double.url,
      '--state-dir',
      stateDir,
      '--token-file',
      tokenFile,
    ];
    expect((await run(base)).exitCode).toBe(2);
    expect(
      (await run([...base, '--ca-file', caFile, '--fingerprint', double.fingerprint])).exitCode,
    ).toBe(2);
    expect(double.received).toEqual([]);
  });

  test.each([600_000, -600_000])(
    'whose clock is %i ms off is followed, for its own refusal tells its time',
    async (offsetMs) => {
      double.clockOffsetMs = offsetMs;
      expect((await enroll()).exitCode).toBe(0);
      expect(double.requestsTo('/agent/v1/enroll')).toHaveLength(2);
    },
  );

  test('that is not there is one line with the reason', async () => {
    await double.stop();
    const { exitCode, stderr } = await enroll();
    await double.start();
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^sallyport-agent: [^\n]*127\.0\.0\.1[^\n]*\n$/);
  });
});

describe('[AX-20] [AX-21] the private keys', () => {
  test('never leave the agent: only their public halves are in what the control plane received', async () => {
    await enroll();
    const { signingKey, encryptionKey } = await readIdentity();
    const wire = JSON.stringify(double.received);
    expect(wire).toContain(signingKey.x);
    expect(wire).toContain(encryptionKey.x);
    for (const secret of [signingKey.d, encryptionKey.d]) {
      expect(wire).not.toContain(secret);
      expect(wire).not.toContain(Buffer.from(secret, 'base64url').toString('hex'));
    }
    const [sent] = double.requestsTo('/agent/v1/enroll');
    expect(JSON.parse(sent?.body ?? '')).toMatchObject({
      signingKey: { kty: 'OKP', crv: 'Ed25519', x: signingKey.x },
      encryptionKey: { kty: 'OKP', crv: 'X25519', x: encryptionKey.x },
    });
  });
});

describe('an identity that is there already', () => {
  test('is not replaced unless that is said', async () => {
    await enroll();
    const before = await readIdentity();
    await writeFile(tokenFile, double.mintToken());
    const { exitCode, stderr } = await enroll();
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: expect.stringContaining('--force'),
    });
    expect(await readIdentity()).toEqual(before);
    expect(double.requestsTo('/agent/v1/enroll')).toHaveLength(1);
  });

  test('is replaced with --force, with all that belonged to it', async () => {
    await enroll();
    const before = await readIdentity();
    await writeFile(join(stateDir, 'bundle.json'), '{}', { mode: 0o600 });
    await writeFile(tokenFile, double.mintToken());
    expect((await enroll('--force')).exitCode).toBe(0);
    expect((await readIdentity()).signingKey).not.toEqual(before.signingKey);
    expect((await readdir(stateDir)).toSorted()).toEqual([
      'high-water.json',
      'identity.json',
      'lock',
    ]);
  });
});

describe('a reply that is lost', () => {
  test('is told as what it may mean, and a second attempt uses the same keys', async () => {
    double.failNext('/agent/v1/enroll', 'lose reply');
    const lost = await enroll();
    expect(lost.exitCode).toBe(1);
    expect(lost.stderr).toMatch(
      /may have registered this agent all the same — run the same command again/,
    );

    const again = await enroll();
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toMatch(/token\.used_up/);
    const [first, second] = double
      .requestsTo('/agent/v1/enroll')
      .map(({ body }) => JSON.parse(body).signingKey.x);
    expect(second).toBe(first);
    await writeFile(tokenFile, double.mintToken());
    expect((await enroll()).stderr).toMatch(/agent\.keys_taken — .*--force/);
    expect((await enroll('--force')).exitCode).toBe(0);
  });

  test.each(['', '{"controlPlane":"ht', '{}'])(
    'is made up for with new keys when those of the first attempt are damaged (%p)',
    async (pending) => {
      await mkdir(stateDir, { mode: 0o700 });
      await writeFile(join(stateDir, 'identity.pending.json'), pending, { mode: 0o600 });
      expect((await enroll()).stderr).toBe('');
      expect(await readdir(stateDir)).not.toContain('identity.pending.json');
    },
  );

  test('before the request was handled costs nothing: the same command works', async () => {
    double.failNext('/agent/v1/enroll', 'hang up');
    expect((await enroll()).exitCode).toBe(1);
    expect((await enroll()).exitCode).toBe(0);
    expect(await readdir(stateDir)).not.toContain('identity.pending.json');
  });
});

test('a state directory that others can read is refused with its own exit code, before the token is used', async () => {
  stateDir = home.path;
  await chmod(home.path, 0o755);
  const { exitCode, stderr } = await enroll();
  expect({ exitCode, stderr }).toEqual({
    exitCode: 6,
    stderr: `sallyport-agent: ${home.path} is open to other users (mode 0755) — chmod 700 ${home.path}\n`,
  });
  expect(double.received).toEqual([]);
});
