import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { problemAnswer } from './operator-api.ts';
import { signIn, type SignedIn } from './signed-in.ts';

const at = '2030-01-01T00:00:00.000Z';
const metadata = {
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  name: 'web/shop',
  version: 2,
  offline: 'deny',
  subject: 'CN=shop',
  issuer: 'CN=Example CA',
  serialNumber: '01AB',
  dnsNames: ['shop.test', 'www.shop.test'],
  ipAddresses: ['10.0.0.1'],
  uris: [],
  notBefore: at,
  notAfter: at,
  fingerprint: 'SHA256:00',
  keyAlgorithm: 'EC-P-256',
  createdAt: at,
  updatedAt: at,
};
const path = '/groups/a/certificates/web%2Fshop';

let operator: SignedIn;
beforeEach(async () => {
  operator = await signIn();
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
});

async function file(name: string, content: string | Buffer): Promise<string> {
  const place = join(operator.directory, name);
  await writeFile(place, content);
  return place;
}

describe('certificate set', () => {
  const set = (...more: string[]) =>
    operator.cli(['certificate', 'set', 'web/shop', '--group', 'a', ...more]);

  test('shows what would rewrite the screen, and has no terminal obey it', async () => {
    operator.api.on(`PUT ${path}`, { body: { ...metadata, dnsNames: ['\u001b[2J'] } });
    const pem = ['--chain', await file('chain', 'chain'), '--key', await file('key', 'key')];
    expect((await set(...pem)).stdout).toContain('for \\u{1b}[2J, ');
  });

  test('sends chain and key as they are, and prints neither', async () => {
    operator.api.on(`PUT ${path}`, { body: metadata });
    const pem = ['--chain', await file('chain', 'chain\n'), '--key', await file('key', 'canary\n')];
    expect(await set(...pem, '--offline', 'allow')).toEqual({
      code: 0,
      stdout: `web/shop is at version 2, for shop.test, www.shop.test, 10.0.0.1, until ${at} (offline: deny).\n`,
      stderr: '',
    });
    expect(operator.api.received[0]?.body).toEqual({
      chain: 'chain\n',
      key: 'canary\n',
      offline: 'allow',
    });
  });

  test('sends a PKCS#12 file in base64, with its password less one line end', async () => {
    operator.api.on(`PUT ${path}`, { body: metadata });
    const bytes = Buffer.from([0x30, 0x80, 0xff, 0x00]);
    const password = await file('password', 'canary\n');
    expect(
      await set('--pkcs12', await file('p12', bytes), '--password-file', password),
    ).toMatchObject({ code: 0 });
    expect(operator.api.received[0]?.body).toEqual({
      pkcs12: bytes.toString('base64'),
      password: 'canary',
    });
  });

  test.each([
    [[]],
    [['--chain', 'x']],
    [['--pkcs12', 'x']],
    [['--chain', 'x', '--pkcs12', 'x']],
    [['--chain', 'x', '--key', 'x', '--password-file', 'x']],
  ])('with %j says what belongs together, and sends nothing', async (options) => {
    const { code, stderr } = await set(...options);
    expect(code).toBe(2);
    expect(stderr).toContain('give --chain and --key, or --pkcs12 and --password-file');
    expect(operator.api.received).toEqual([]);
  });

  test('tells why a certificate is refused', async () => {
    const issues = [{ field: 'body.key', message: 'The key is of another certificate.' }];
    operator.api.on(`PUT ${path}`, problemAnswer(400, 'certificate.key_mismatch', { issues }));
    const pem = ['--chain', await file('chain', 'chain'), '--key', await file('key', 'canary')];
    const { code, stderr } = await set(...pem);
    expect(code).toBe(1);
    expect(stderr).toContain('--key: The key is of another certificate.');
    expect(stderr).not.toContain('canary');
  });
});

describe('certificate list, show and delete', () => {
  test('list asks for those that expire soon, page after page', async () => {
    operator.api.on(
      'GET /groups/a/certificates',
      { body: { items: [metadata], nextCursor: 'web/shop' } },
      { body: { items: [{ ...metadata, name: 'web/two' }] } },
    );
    const args = ['certificate', 'list', '--group', 'a', '--expires-within-days', '30'];
    const { stdout } = await operator.cli(args);
    expect(stdout).toMatch(
      /^web\/shop +2 +2030\S+ +deny +shop\.test, www\.shop\.test, 10\.0\.0\.1$/m,
    );
    expect(stdout).toMatch(/^web\/two /m);
    const queries = operator.api.received.map(({ query }) => Object.fromEntries(query));
    expect(queries).toEqual([
      { expiresWithinDays: '30', limit: '200' },
      { expiresWithinDays: '30', limit: '200', cursor: 'web/shop' },
    ]);
  });

  test('list says when there are none', async () => {
    operator.api.on('GET /groups/a/certificates', { body: { items: [] } });
    const list = ['certificate', 'list', '--group', 'a'];
    expect((await operator.cli(list)).stderr).toBe('a has no certificates.\n');
    expect((await operator.cli([...list, '--expires-within-days', '7'])).stderr).toBe(
      'a has no certificates that expire within 7 days.\n',
    );
    expect(await operator.cli([...list, '--expires-within-days', 'soon'])).toMatchObject({
      code: 2,
    });
  });

  test('show prints what it says of itself', async () => {
    operator.api.on(`GET ${path}`, { body: metadata });
    const { stdout } = await operator.cli(['certificate', 'show', 'web/shop', '--group', 'a']);
    expect(stdout).toMatch(/^Issuer +CN=Example CA$/m);
    expect(stdout).toMatch(/^Fingerprint +SHA256:00$/m);
  });

  test('delete deletes it', async () => {
    operator.api.on(`DELETE ${path}`, { status: 204 });
    expect(await operator.cli(['certificate', 'delete', 'web/shop', '--group', 'a'])).toEqual({
      code: 0,
      stdout: 'Deleted web/shop.\n',
      stderr: '',
    });
  });
});
