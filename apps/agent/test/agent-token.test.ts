import { execFile } from 'node:child_process';
import { chmod, chown, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { agentToken, readTokenFile } from '../src/files/token-file.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { Refusal } from './double/authority.ts';
import { enrollWith, startDaemon, until, type Enrolled, type TestDaemon } from './harness.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestDaemon | undefined;
let file: string;
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'first');
  enrolled = await enrollWith(double);
  file = join(enrolled.home.path, 'agent-token');
});
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
  await double.stop();
  await enrolled.home.remove();
});

const newToken = () => double.authority.mintAgentToken(enrolled.identity.agentId);

/** As an operator's tool replaces a file: whole, by renaming. */
async function put(text: string, mode = 0o600): Promise<void> {
  await writeFile(`${file}.new`, `${text}\n`, { mode });
  await chmod(`${file}.new`, mode);
  await rename(`${file}.new`, file);
}

async function start(): Promise<TestDaemon> {
  return (daemon = await startDaemon({ ...enrolled, tokenFile: file }));
}

const openings = () => double.requestsTo('/agent/v1/session').map(({ body }) => JSON.parse(body));

describe('[A7-02] [SG-23] an agent with a token file', () => {
  test('opens its session with the token, and shows it nowhere else', async () => {
    const token = newToken();
    await put(token);
    await (await start()).untilSecret('db/password', 'first');
    expect(openings()).toEqual([
      expect.objectContaining({ grantType: 'urn:sallyport:grant-type:agent-token', token }),
    ]);
    const others = double.received.filter(({ path }) => path !== '/agent/v1/session');
    expect(JSON.stringify(others)).not.toContain(token);
    expect(JSON.stringify(daemon?.log)).not.toContain(token);
    expect((await daemon?.ask('/healthz'))?.body).not.toContain(token);
  });

  test('[AT-11] recovers by itself from a revocation once another token is in the file, and serves on meanwhile', async () => {
    const [old, next] = [newToken(), newToken()];
    await put(old);
    await (await start()).untilSecret('db/password', 'first');
    await until(() => double.waitingPulls === 1);
    double.authority.endAgentToken(old);
    double.failNext('/agent/v1/pull', new Refusal(401, 'agent_token.revoked'));
    double.putSecret('db/password', 'second');
    const { controlPlane } = (await daemon?.untilHealth(
      (report) => report.controlPlane.state === 'refused',
    )) ?? { controlPlane: undefined };
    expect(controlPlane?.lastError?.code).toMatch(/^agent_token\./);
    expect(await daemon?.secret('db/password')).toEqual(expect.any(String));
    await put(next);
    await daemon?.untilSecret('db/password', 'second');
    await daemon?.untilHealth(({ status }) => status === 'ready');
    expect(openings().at(-1)).toMatchObject({ token: next });
  });

  test('waits for a file that is not there yet, and says which', async () => {
    const report = await (
      await start()
    ).untilHealth(({ controlPlane }) => controlPlane.lastError !== null);
    expect(report.controlPlane.lastError).toMatchObject({
      code: 'token_file.unusable',
      message: expect.stringContaining(file),
    });
    await put(newToken());
    await daemon?.untilSecret('db/password', 'first');
  });
});

describe('[SG-44] a token file', () => {
  test.each([
    ['of this user alone', 0o600],
    ['that nobody may write', 0o400],
    ['of a group', 0o640],
  ])('%s is read, also by way of links as orchestrators make them', async (_, mode) => {
    const token = newToken();
    await put(token, mode);
    expect(await readTokenFile(file, agentToken)).toBe(token);
    await symlink(file, `${file}.link`);
    expect(await readTokenFile(`${file}.link`, agentToken)).toBe(token);
  });

  test.each([
    ['that everybody can read', 0o644],
    ['that its group can change', 0o660],
    ['that everybody can change', 0o602],
  ])('%s is refused, with the command that mends it', async (_, mode) => {
    await put(newToken(), mode);
    await expect(readTokenFile(file, agentToken)).rejects.toMatchObject({
      code: 'token_file.unsafe',
      advice: expect.stringMatching(/^chmod (?:go-w|o-rwx) /),
    });
  });

  const why = process.getuid?.() === 0 ? undefined : 'only root gives files away';
  const testAsRoot = why === undefined ? test : test.skip;
  testAsRoot(titleOrLeftOut('that belongs to another user is refused', why), async () => {
    await put(newToken());
    await chown(file, 1234, 0);
    await expect(readTokenFile(file, agentToken)).rejects.toMatchObject({
      code: 'token_file.unsafe',
      message: expect.stringContaining('belongs to user 1234'),
      advice: 'give it to user 0 or to root',
    });
  });

  test.each([
    ['that is empty', ''],
    ['with a token of another kind', 'sp_enroll_0123'],
    ['that is too long', `sp_agent_${'x'.repeat(5_000)}`],
  ])('%s is refused, and not quoted', async (_, text) => {
    await put(text);
    const refusal = await readTokenFile(file, agentToken).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'token_file.unusable' });
    if (text !== '') expect(String(refusal)).not.toContain(text);
  });

  test('that everybody can read is read from a mount in memory, as orchestrators make them; who can change it is minded there too', async () => {
    const folder = await mkdtemp('/dev/shm/agent-token-');
    file = join(folder, 'agent-token');
    try {
      const token = newToken();
      await put(token, 0o644);
      expect(await readTokenFile(file, agentToken)).toBe(token);
      await put(token, 0o666);
      await expect(readTokenFile(file, agentToken)).rejects.toMatchObject({
        code: 'token_file.unsafe',
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('that is a pipe is refused at once: nobody waits for whoever would write into it', async () => {
    await promisify(execFile)('mkfifo', ['-m', '600', file]);
    const read = readTokenFile(file, agentToken);
    let waited = false;
    // Frees the thread that waits, so that a failure does not hang the tests.
    const writer = setTimeout(() => {
      waited = true;
      void writeFile(file, '');
    }, 2_000);
    await expect(read).rejects.toMatchObject({ message: expect.stringContaining('is no file') });
    clearTimeout(writer);
    expect(waited).toBe(false);
  });

  test('whose disk fails is told of as such, and not as a defect of the agent', async () => {
    // Opens as a file of this user, and fails to be read at its beginning.
    await expect(readTokenFile('/proc/self/mem', agentToken)).rejects.toMatchObject({
      code: 'token_file.unusable',
      message: expect.stringContaining('EIO'),
    });
  });

  test('that is a folder is refused', async () => {
    await expect(readTokenFile(enrolled.home.path, agentToken)).rejects.toMatchObject({
      code: 'token_file.unusable',
    });
  });
});
