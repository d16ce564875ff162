import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { problemAnswer } from './operator-api.ts';
import { signIn, type SignedIn } from './signed-in.ts';

const at = '2030-01-01T00:00:00.000Z';
const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const facts = { agentVersion: '0.1.0', platform: 'linux', architecture: 'x64', runtime: 'node 26' };
const point = 'A'.repeat(43);
const request = {
  format: 1,
  name: 'edge-7',
  signingKey: { kty: 'OKP', crv: 'Ed25519', x: point },
  encryptionKey: { kty: 'OKP', crv: 'X25519', x: point },
  facts,
  proof: 'a.b.c',
};

let operator: SignedIn;
beforeEach(async () => {
  operator = await signIn();
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
});
const cli: SignedIn['cli'] = (args, given) => operator.cli(args, given);

describe('[SG-13] agent admit', () => {
  const admit = ['agent', 'admit', '--group', 'a', '--request', '-'];

  test('sends the request as it came, and tells the id and the key to compare', async () => {
    const none = { stateSince: null, lastSeenAt: null, revokedAt: null, clonedAt: null };
    const made = { id, name: 'edge-7', group: 'a', state: 'lost', appliedRevision: 0, facts };
    const body = {
      ...made,
      ...none,
      certificateIdentity: null,
      enrolledAt: at,
      keyThumbprint: 'thumb',
    };
    operator.api.on('POST /groups/a/agents', { status: 201, body });
    const { code, stdout } = await cli(admit, { stdin: JSON.stringify(request) });
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining(`Admitted edge-7 (${id}) to a.\nIts key is thumb: compare`),
    });
    expect(operator.api.received.map(({ body: sent }) => sent)).toEqual([request]);
  });

  test.each([
    ['no JSON', 'canary'],
    ['another format', JSON.stringify({ ...request, format: 2 })],
    [
      'a private key',
      JSON.stringify({ ...request, signingKey: { ...request.signingKey, d: point } }),
    ],
  ])('sends nothing that is %s', async (_, stdin) => {
    const { code, stderr } = await cli(admit, { stdin });
    expect(code).not.toBe(0);
    expect(stderr).not.toContain('canary');
    expect(operator.api.received).toEqual([]);
  });
});

describe('[SG-13] bundle export', () => {
  const exported = {
    agentId: id,
    revision: 3,
    issuedAt: at,
    expiresAt: '2030-01-08T00:00:00.000Z',
    signer: 'signer-thumbprint',
    withheld: true,
    bundle: 'a.b.c',
  };
  const write = (output: string, ...more: string[]) =>
    cli(['bundle', 'export', '--agent', id, '--output', output, ...more]);

  test('writes a new file, of its owner alone, and tells the end, the signer and what is left out', async () => {
    operator.api.on(`POST /agents/${id}/bundle`, { body: exported });
    const output = join(operator.directory, 'edge-7.bundle');
    const { code, stdout } = await write(output, '--days', '7');
    expect(code).toBe(0);
    for (const told of ['revision 3', exported.expiresAt, exported.signer, '(offline: deny)'])
      expect(stdout).toContain(told);
    expect(await readFile(output, 'utf8')).toBe('a.b.c\n');
    expect((await stat(output)).mode & 0o777).toBe(0o600);
    expect(operator.api.received.map(({ body }) => body)).toEqual([{ expiresInDays: 7 }]);
  });

  test('shows what would rewrite the screen, and has no terminal obey it', async () => {
    const body = { ...exported, signer: '\u001b[2J' };
    operator.api.on(`POST /agents/${id}/bundle`, { body });
    const { stdout } = await write(join(operator.directory, 'edge-7.bundle'));
    expect(stdout).toContain('Its signer is \\u{1b}[2J:');
  });

  test('[SG-15] asks for nothing, which would be recorded as done, where the file cannot be made', async () => {
    operator.api.on(`POST /agents/${id}/bundle`, { body: exported });
    const output = join(operator.directory, 'edge-7.bundle');
    expect((await write(output)).code).toBe(0);
    expect(await write(output)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`${output} is there already; choose another name`),
    });
    expect(operator.api.received).toHaveLength(1);
    expect(await readFile(output, 'utf8')).toBe('a.b.c\n');
  });

  test('says so when nothing but leases is left out', async () => {
    operator.api.on(`POST /agents/${id}/bundle`, { body: { ...exported, withheld: false } });
    const { stdout } = await write(join(operator.directory, 'whole.bundle'));
    expect(stdout).toContain('Leases are not in it.');
    expect(stdout).not.toContain('offline: deny');
  });

  test('writes nothing when it is refused, and asks for no days that cannot be', async () => {
    operator.api.on(`POST /agents/${id}/bundle`, problemAnswer(409, 'bundle.agent_revoked'));
    const output = join(operator.directory, 'refused.bundle');
    expect((await write(output)).code).not.toBe(0);
    for (const days of ['0', '366', 'many'])
      expect((await write(output, '--days', days)).code).toBe(2);
    await expect(stat(output)).rejects.toThrow('ENOENT');
    expect(operator.api.received).toHaveLength(1);
  });
});
