import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { NewHost } from './new-host.ts';
import { runAgent } from './run-agent.ts';

let double: ControlPlaneDouble;
let host: NewHost;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
});
afterAll(() => double.stop());
beforeEach(async () => {
  host = await NewHost.create(double);
});
afterEach(() => host.home.remove());

describe('the enrollment token', () => {
  const target = () => [
    'enroll',
    '--url',
    double.url,
    '--state-dir',
    host.stateDir,
    '--fingerprint',
    double.fingerprint,
  ];

  test('may come from standard input', async () => {
    expect(
      (await runAgent([...target(), '--token-file', '-'], { stdin: `${double.mintToken()}\n` }))
        .code,
    ).toBe(0);
  });

  test('[AX-23] may come from the environment', async () => {
    expect(
      (await runAgent(target(), { env: { SALLYPORT_ENROLLMENT_TOKEN: double.mintToken() } })).code,
    ).toBe(0);
  });

  test('[AX-25] may come from a file that the environment names', async () => {
    expect(
      (await runAgent(target(), { env: { SALLYPORT_ENROLLMENT_TOKEN_FILE: host.tokenFile } })).code,
    ).toBe(0);
  });

  test('[AX-23] variables that are empty count as unset', async () => {
    const token = double.mintToken();
    const both = { SALLYPORT_ENROLLMENT_TOKEN: token, SALLYPORT_ENROLLMENT_TOKEN_FILE: '' };
    const env = { ...both, SALLYPORT_AGENT_CONFIG: '', SALLYPORT_AGENT_SOCKET: '' };
    expect(await runAgent(target(), { env })).toMatchObject({ code: 0, stderr: '' });
    const none = { SALLYPORT_ENROLLMENT_TOKEN: '', SALLYPORT_ENROLLMENT_TOKEN_FILE: '' };
    expect(await runAgent(target(), { env: none })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no enrollment token'),
    });
  });

  test('[AX-25] in both variables is refused, and neither is printed', async () => {
    const token = double.mintToken();
    const env = {
      SALLYPORT_ENROLLMENT_TOKEN: token,
      SALLYPORT_ENROLLMENT_TOKEN_FILE: host.tokenFile,
    };
    expect(await runAgent(target(), { env })).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'sallyport-agent: SALLYPORT_ENROLLMENT_TOKEN and SALLYPORT_ENROLLMENT_TOKEN_FILE are both set — keep one\n',
    });
    expect(double.received).toEqual([]);
  });

  test('[AX-25] file that every user can read is told of, unless it was handed over in memory', async () => {
    await chmod(host.tokenFile, 0o644);
    const told = await host.enroll();
    expect(told).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^[^\n]* of --token-file can be read by every user [^\n]*\n$/),
    });
    expect(told.stderr).not.toContain(host.home.path);
    if (!existsSync('/dev/shm')) return;
    const inMemory = `/dev/shm/sallyport-${randomUUID()}`;
    await writeFile(inMemory, double.mintToken(), { mode: 0o644 });
    try {
      const args = [...target(), '--force', '--token-file', inMemory];
      expect(await runAgent(args)).toMatchObject({ code: 0, stderr: '' });
    } finally {
      await rm(inMemory);
    }
  });

  test('[AX-25] file that is missing is refused, naming the variable', async () => {
    const { code, stderr } = await runAgent(target(), {
      env: { SALLYPORT_ENROLLMENT_TOKEN_FILE: '/no/token' },
    });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringContaining('the file of SALLYPORT_ENROLLMENT_TOKEN_FILE cannot'),
    });
  });

  test('cannot be given as an argument', async () => {
    const { code, stderr } = await runAgent([...target(), '--token', double.mintToken()]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^sallyport-agent: unknown option '--token'/);
    expect(double.received).toEqual([]);
  });

  test('that is missing is refused with what to do', async () => {
    const { code, stderr } = await runAgent(target());
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringContaining('--token-file'),
    });
  });

  test('of which nothing came is missing, and not mistyped', async () => {
    const { code, stderr } = await runAgent([...target(), '--token-file', '-'], { stdin: '\n' });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^sallyport-agent: no enrollment token was given: .* is empty — give/);
  });

  test('that is mistyped is refused before anything is sent, and is not printed', async () => {
    const token = double.mintToken();
    const mistyped = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A');
    const { code, stderr } = await runAgent([...target(), '--token-file', '-'], {
      stdin: mistyped,
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/its checksum does not match — .* sallyport token create\n$/);
    expect(stderr).not.toContain(mistyped.slice(10, 60));
    expect(double.received).toEqual([]);
  });
});
