import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { problemAnswer } from './operator-api.ts';
import { signIn, type SignedIn } from './signed-in.ts';

const at = '2030-01-01T00:00:00.000Z';
const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const roles = [
  { role: 'admin', group: null },
  { role: 'viewer', group: 'plant-7' },
];

let signedIn: SignedIn;
beforeEach(async () => {
  signedIn = await signIn();
});
afterEach(async () => {
  await signedIn[Symbol.asyncDispose]();
});
const cli: SignedIn['cli'] = (args, given) => signedIn.cli(args, given);

describe('operator', () => {
  const standing = { secondFactor: true, lockedUntil: at };
  const operator = { id, name: 'ann', roles, ...standing, createdAt: at };

  test('create sends the roles and a password of standard input or a file, and prints none of it', async () => {
    signedIn.api.on('POST /operators', { status: 201, body: operator });
    const file = join(signedIn.directory, 'password');
    await writeFile(file, 'canary canary\n');
    const args = ['operator', 'create', 'ann', '--role', 'admin', '--role', 'viewer:plant-7'];
    for (const [from, given] of [
      ['-', { stdin: 'canary canary\n' }],
      [file, {}],
    ] as const)
      expect(await cli([...args, '--password-file', from], given)).toEqual({
        code: 0,
        stdout: 'Made the operator ann (admin, viewer in plant-7).\n',
        stderr: '',
      });
    const body = { name: 'ann', password: 'canary canary', roles };
    expect(signedIn.api.received.map((request) => request.body)).toEqual([body, body]);
  });

  test('a password that is missing or too short, and a role that is none, are refused before anything is sent', async () => {
    const create = ['operator', 'create', 'ann'];
    expect(await cli(create)).toMatchObject({ code: 2 });
    const short = await cli([...create, '--password-file', '-'], { stdin: 'canary' });
    expect(short).toMatchObject({ code: 2, stderr: expect.not.stringContaining('canary') });
    for (const role of ['root', 'viewer:', 'viewer:a:b', 'viewer:A'])
      expect(
        await cli([...create, '--role', role, '--password-file', '-'], { stdin: 'canary canary' }),
      ).toMatchObject({ code: 2 });
    expect(signedIn.api.received).toEqual([]);
  });

  test.each([
    [['create', 'ann'], 'POST /operators', { status: 201, body: operator }],
    [['reset-password', 'ann'], 'PUT /operators/ann/password', { status: 204 }],
  ] as const)(
    '%j asks twice for what is not shown while it is typed',
    async (verb, call, answer) => {
      signedIn.api.on(call, answer);
      const typed = (again: string) => ({ typed: ['canary canary\n', `${again}\n`] });
      expect(await cli(['operator', ...verb], typed('canary canarz'))).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/the two new passwords differ; nothing is changed/),
      });
      expect(signedIn.api.received).toEqual([]);
      expect(await cli(['operator', ...verb], typed('canary canary'))).toMatchObject({ code: 0 });
      expect(signedIn.api.received).toMatchObject([{ body: { password: 'canary canary' } }]);
    },
  );

  test('list and show tell the roles, the second factor and the lock; reset-password and delete say what they did', async () => {
    signedIn.api.on('GET /operators', { body: { items: [operator] } });
    signedIn.api.on('GET /operators/ann', { body: operator });
    signedIn.api.on('PUT /operators/ann/password', { status: 204 });
    signedIn.api.on('DELETE /operators/ann', { status: 204 });
    for (const verb of [['list'], ['show', 'ann']])
      expect((await cli(['operator', ...verb])).stdout).toContain('admin, viewer in plant-7');
    expect((await cli(['operator', 'list'])).stdout).toMatch(/SECOND FACTOR +LOCKED UNTIL/);
    expect((await cli(['operator', 'list'])).stdout).toMatch(new RegExp(`yes +${at} +${at}`));
    expect((await cli(['operator', 'show', 'ann'])).stdout).toMatch(
      new RegExp(`Second factor +yes\nLocked until +${at}\n`),
    );
    const reset = ['operator', 'reset-password', 'ann', '--password-file', '-'];
    expect(await cli(reset, { stdin: 'canary canary' })).toMatchObject({
      code: 0,
      stdout: 'ann has a new password, and every session of ann has ended.\n',
    });
    expect(await cli(['operator', 'delete', 'ann'])).toMatchObject({
      code: 0,
      stdout: 'Deleted the operator ann.\n',
    });
  });
});

describe('role', () => {
  const binding = { id, operator: 'ann', role: 'viewer', group: 'plant-7', createdAt: at };

  test('grant sends the role and where it holds', async () => {
    signedIn.api.on('POST /role-bindings', { status: 201, body: binding });
    expect(await cli(['role', 'grant', 'ann', 'viewer:plant-7'])).toEqual({
      code: 0,
      stdout: 'ann is viewer in plant-7.\n',
      stderr: '',
    });
    await cli(['role', 'grant', 'ann', 'viewer']);
    expect(signedIn.api.received.map((request) => request.body)).toEqual([
      { operator: 'ann', role: 'viewer', group: 'plant-7' },
      { operator: 'ann', role: 'viewer', group: null },
    ]);
  });

  test('list names who holds what where, and revoke takes it away', async () => {
    signedIn.api.on('GET /role-bindings', {
      body: { items: [binding, { ...binding, group: null }] },
    });
    signedIn.api.on(`DELETE /role-bindings/${id}`, { status: 204 });
    const { stdout } = await cli(['role', 'list']);
    expect(stdout).toMatch(/ann +viewer +plant-7\n/);
    expect(stdout).toMatch(/ann +viewer +everywhere\n/);
    expect(await cli(['role', 'revoke', id])).toMatchObject({ code: 0 });
  });

  test('revoke takes what grant took, and no other role of the operator', async () => {
    const everywhere = { ...binding, id: '01890a5d-ac96-774b-bcce-b302099a8058', group: null };
    const other = { ...binding, id: '01890a5d-ac96-774b-bcce-b302099a8059', operator: 'bob' };
    signedIn.api.on('GET /role-bindings', { body: { items: [other, everywhere, binding] } });
    signedIn.api.on(`DELETE /role-bindings/${id}`, { status: 204 });
    expect(await cli(['role', 'revoke', 'ann', 'viewer:plant-7'])).toEqual({
      code: 0,
      stdout: 'ann is viewer in plant-7 no longer.\n',
      stderr: '',
    });
    expect(signedIn.api.received.at(-1)).toMatchObject({ method: 'DELETE' });
    expect(await cli(['role', 'revoke', 'ann', 'admin'])).toMatchObject({
      code: 3,
      stderr:
        'sallyport: ann is not admin, or you may not see it — see: sallyport role list (role_binding.not_found)\n',
    });
    expect(await cli(['role', 'revoke', 'ann'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('<operator>: give the role too, or the id'),
    });
  });

  test('of a group that is not there tells where to look, and how a role that holds everywhere is written', async () => {
    signedIn.api.on('POST /role-bindings', problemAnswer(404, 'group.not_found'));
    expect(await cli(['role', 'grant', 'ann', 'admin:everywhere'])).toMatchObject({
      code: 3,
      stderr:
        'sallyport: It is group.not_found — see: sallyport group list; a role that holds everywhere is written without a group (group.not_found, request 7f3a)\n',
    });
  });

  test('a refusal is told in the words of the control plane', async () => {
    signedIn.api.on('POST /role-bindings', problemAnswer(403, 'permission.denied'));
    expect(await cli(['role', 'grant', 'ann', 'owner'])).toMatchObject({
      stdout: '',
      stderr: expect.stringContaining('permission.denied'),
    });
  });
});

describe('api-key', () => {
  const key = {
    id,
    name: 'ci',
    prefix: 'sp_key_01890a5dac96774bbcceb302099a8057',
    roles,
    state: 'active',
    createdBy: 'owner',
    createdAt: at,
    expiresAt: at,
    lastUsedAt: null,
    revokedAt: null,
    rotatedFrom: null,
  };

  test('create shows the key once, with what it may do', async () => {
    signedIn.api.on('POST /api-keys', { status: 201, body: { ...key, key: 'sp_key_text' } });
    const args = ['api-key', 'create', 'ci', '--role', 'admin', 'viewer:plant-7', '--days', '30'];
    const { code, stdout } = await cli(args);
    expect(code).toBe(0);
    expect(stdout).toContain('sp_key_text');
    expect(stdout).toContain('The key is shown this once.');
    expect(signedIn.api.received[0]?.body).toEqual({ name: 'ci', roles, expiresInDays: 30 });
    expect(await cli(['api-key', 'create', 'ci'])).toMatchObject({ code: 2 });
    expect(await cli([...args.slice(0, -1), '181'])).toMatchObject({ code: 2 });
  });

  test('rotate sends the overlap, a day unless told otherwise', async () => {
    const body = { ...key, key: 'sp_key_text' };
    signedIn.api.on(`POST /api-keys/${id}/rotate`, { status: 201, body });
    await cli(['api-key', 'rotate', id]);
    await cli(['api-key', 'rotate', id, '--overlap', '1h']);
    expect(signedIn.api.received.map((request) => request.body)).toEqual([
      { overlapSeconds: 86_400 },
      { overlapSeconds: 3600 },
    ]);
    expect(await cli(['api-key', 'rotate', id, '--overlap', '8d'])).toMatchObject({ code: 2 });
  });

  test('list and show tell all but the key; revoke ends it', async () => {
    signedIn.api.on('GET /api-keys', { body: { items: [key] } });
    signedIn.api.on(`GET /api-keys/${id}`, { body: key });
    signedIn.api.on(`POST /api-keys/${id}/revoke`, { status: 204 });
    const list = await cli(['api-key', 'list']);
    expect(list.stdout).toMatch(new RegExp(`^${id} +ci +admin, viewer in plant-7 .*never$`, 'm'));
    const show = await cli(['api-key', 'show', id]);
    expect(show.stdout).toMatch(/^Begins +sp_key_01890a5dac96774bbcceb302099a8057$/m);
    expect(await cli(['api-key', 'revoke', id])).toMatchObject({
      code: 0,
      stdout: `Revoked the API key ${id}.\n`,
    });
  });

  test('an API key stands in for a password and a session, and is not shown; signing out forgets it and ends nothing', async () => {
    const key = `sp_key_${'0'.repeat(82)}`;
    const expiresAt = '2031-01-01T00:00:00.000Z';
    const body = { kind: 'apiKey', id, name: 'ci', roles, expiresAt };
    signedIn.api.on('GET /me', { body });
    const args = ['login', '--url', signedIn.api.url, '--fingerprint', signedIn.api.fingerprint];
    const outcome = await cli([...args, '--api-key-file', '-'], { stdin: `${key}\n` });
    expect(outcome).toEqual({
      code: 0,
      stdout: `Signed in to ${signedIn.api.url} as ci (admin, viewer in plant-7) until ${expiresAt}.\n`,
      stderr: '',
    });
    expect(await cli(['logout'])).toMatchObject({ code: 0 });
    expect(signedIn.api.received).toMatchObject([
      { method: 'GET', path: '/api/v1/me', authorization: `Bearer ${key}` },
    ]);
    expect(await cli([...args, '--api-key-file', '-'], { stdin: 'canary' })).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.not.stringContaining('canary'),
    });
    expect(signedIn.api.received).toHaveLength(1);
  });
});

describe('group', () => {
  test('delete names the group, and says what it still holds', async () => {
    signedIn.api.on('DELETE /groups/a', { status: 204 });
    expect(await cli(['group', 'delete', 'a'])).toEqual({
      code: 0,
      stdout: 'Deleted the group a.\n',
      stderr: '',
    });
    const issues = [{ field: 'secrets', message: '2 with all their versions' }];
    signedIn.api.on('DELETE /groups/b', problemAnswer(409, 'group.not_empty', { issues }));
    const { code, stderr } = await cli(['group', 'delete', 'b']);
    expect(code).toBe(1);
    expect(stderr).toContain('secrets: 2 with all their versions (group.not_empty');
  });
});

describe('keyring', () => {
  const version = { encryptions: 3, createdAt: at, retiredAt: null };
  const found = {
    versions: [
      { version: 2, state: 'active', uses: 1, ...version },
      { version: 1, state: 'retiring', uses: 2, ...version },
    ],
    remaining: 2,
  };

  test('show and rotate tell the versions and what is left to do', async () => {
    signedIn.api.on('GET /groups/a/keyring', { body: { ...found, remaining: 0 } });
    signedIn.api.on('POST /groups/a/keyring/rotate', { body: found });
    const shown = await cli(['keyring', 'show', '--group', 'a']);
    expect(shown.stdout).toContain('Everything is sealed with the newest key.');
    const rotated = await cli(['keyring', 'rotate', '--group', 'a']);
    expect(rotated).toMatchObject({ code: 0, stderr: '' });
    expect(rotated.stdout).toMatch(/2 +active +3 +1 /);
    expect(rotated.stdout).toContain('2 values are to be sealed anew');
    signedIn.api.on('GET /groups/a/keyring', { body: { ...found, remaining: 1 } });
    const almost = await cli(['keyring', 'show', '--group', 'a']);
    expect(almost.stdout).toContain('1 value is to be sealed anew');
    expect(await cli(['keyring', 'rotate'])).toMatchObject({ code: 2 });
  });
});
