import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { problemAnswer } from './operator-api.ts';
import { signIn, type SignedIn } from './signed-in.ts';

const at = '2030-01-01T00:00:00.000Z';
const id = '01890a5d-ac96-774b-bcce-b302099a8057';

let operator: SignedIn;
beforeEach(async () => {
  operator = await signIn();
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
});
const cli: SignedIn['cli'] = (args, given) => operator.cli(args, given);

describe('secret', () => {
  const metadata = {
    id,
    name: 'db/password',
    kind: 'stored',
    delivery: 'bundle',
    offline: 'deny',
    lease: null,
    version: 2,
    createdAt: at,
    updatedAt: at,
  };
  const path = '/groups/a/secrets/db%2Fpassword';

  test('set sends the value of standard input, and prints none of it', async () => {
    operator.api.on(`PUT ${path}`, { body: metadata });
    const outcome = await cli(['secret', 'set', 'db/password', '--group', 'a'], {
      stdin: 'canary\n',
    });
    expect(outcome).toEqual({
      code: 0,
      stdout: 'db/password is at version 2 (offline: deny).\n',
      stderr: '',
    });
    expect(operator.api.received[0]?.body).toEqual({ value: 'canary' });
  });

  test('set sends the bytes of a file as they are, and the policy', async () => {
    operator.api.on(`PUT ${path}`, { body: metadata });
    const file = join(operator.directory, 'value');
    await writeFile(file, 'canary\n');
    const args = ['secret', 'set', 'db/password', '--group', 'a', '--offline', 'allow'];
    expect(await cli([...args, '--file', file])).toMatchObject({ code: 0 });
    expect(await cli([...args, '--file', '-'], { stdin: 'canary\n' })).toMatchObject({ code: 0 });
    const body = { value: 'canary\n', offline: 'allow' };
    const written = operator.api.received.filter(({ method }) => method !== 'GET');
    expect(written.map((request) => request.body)).toEqual([body, body]);
  });

  test('[SG-27] set says nothing of the restrictions that are not given, and prints those that hold', async () => {
    const window = { days: ['mon', 'tue'], from: '08:00', until: '18:00', timeZone: 'UTC' };
    const lease = { ttlSeconds: 600, maxTtlSeconds: 900, maxUses: 1, windows: [window] };
    operator.api.on(`PUT ${path}`, { body: { ...metadata, delivery: 'lease', lease } });
    const args = ['secret', 'set', 'db/password', '--group', 'a', '--lease', '10m'];
    expect((await cli(args, { stdin: 'canary\n' })).stdout).toBe(
      'db/password is at version 2 (lent out).\n' +
        'A lease lasts 10m, 15m with renewals, and is read once.\n' +
        'Lent out on mon, tue from 08:00 to 18:00 (UTC).\n',
    );
    const taken = [...args, '--lease-uses', 'any', '--lease-window', 'always'];
    expect(await cli(taken, { stdin: 'canary\n' })).toMatchObject({ code: 0 });
    expect(operator.api.received.map(({ body }) => body)).toMatchObject([
      { lease: { ttlSeconds: 600 } },
      { lease: { ttlSeconds: 600, maxUses: null, windows: [] } },
    ]);
    expect(operator.api.received[0]?.body).toEqual({ value: 'canary', lease: { ttlSeconds: 600 } });
  });

  test('[SG-39] update sends what is to change, without a value, and prints what holds', async () => {
    const lease = { ttlSeconds: 600, maxTtlSeconds: 900, maxUses: 1, windows: [] };
    operator.api.on(`PATCH ${path}`, { body: { ...metadata, delivery: 'lease', lease } });
    const args = ['secret', 'update', 'db/password', '--group', 'a'];
    expect(await cli([...args, '--offline', 'deny', '--lease-uses', '1'])).toEqual({
      code: 0,
      stdout:
        'db/password is at version 2 (lent out).\n' +
        'A lease lasts 10m, 15m with renewals, and is read once.\n',
      stderr: '',
    });
    expect(await cli([...args, '--no-lease'])).toMatchObject({ code: 0 });
    expect(operator.api.received.map(({ body }) => body)).toEqual([
      { offline: 'deny', lease: { maxUses: 1 } },
      { lease: null },
    ]);
    expect(await cli(args)).toMatchObject({ code: 2 });
    expect(operator.api.received).toHaveLength(2);
  });

  test('[SG-04] rollback names the version, and prints no value', async () => {
    operator.api.on(`POST ${path}/restore`, { body: { ...metadata, version: 3 } });
    const args = ['secret', 'rollback', 'db/password', '--group', 'a'];
    expect(await cli([...args, '--to', '1'])).toEqual({
      code: 0,
      stdout: 'db/password is at version 3 (offline: deny).\nIts value is that of version 1.\n',
      stderr: '',
    });
    expect(operator.api.received.map(({ body }) => body)).toEqual([{ version: 1 }]);
    expect(await cli([...args, '--to', 'first'])).toMatchObject({ code: 2 });
    expect(await cli(args)).toMatchObject({ code: 2 });
  });

  test('set sends nothing when there is no value', async () => {
    expect(await cli(['secret', 'set', 'db/password', '--group', 'a'])).toMatchObject({ code: 2 });
    expect(operator.api.received).toEqual([]);
  });

  test('list and versions show no value', async () => {
    operator.api.on('GET /groups/a/secrets', { body: { items: [metadata] } });
    operator.api.on(`GET ${path}/versions`, {
      body: { items: [{ version: 2, kind: 'reference', createdAt: at, createdBy: 'owner' }] },
    });
    expect((await cli(['secret', 'list', '--group', 'a'])).stdout).toMatch(
      /^db\/password +2 +stored +bundle +deny/m,
    );
    expect((await cli(['secret', 'versions', 'db/password', '--group', 'a'])).stdout).toMatch(
      /^2 +reference .*owner$/m,
    );
  });

  const revealedOne = { name: 'db/password', version: 1, kind: 'stored' };
  test('reveal prints the value byte for byte, without a line end of its own', async () => {
    const value = 'canary\u001b[0m\n\n';
    operator.api.on(`POST ${path}/reveal`, { body: { ...revealedOne, value } });
    const args = ['secret', 'reveal', 'db/password', '--group', 'a'];
    expect(await cli([...args, '--version', '1'])).toEqual({ code: 0, stdout: value, stderr: '' });
    expect(JSON.parse((await cli([...args, '--json'])).stdout)).toMatchObject({
      version: 1,
      value,
    });
    expect(operator.api.received.map(({ body }) => body)).toEqual([{ version: 1 }, {}]);
  });

  const uri = 'vault://kv/shop/db#password';
  test.each([
    [
      'a reference',
      'reference',
      `version 1 of db/password is a reference, to ${uri}: agents look `,
    ],
    [
      'a version of before kinds were kept that reads like one',
      null,
      'version 1 of db/password re',
    ],
  ])('reveal prints %s as no value', async (_, kind, words) => {
    const revealed = { ...revealedOne, kind, value: uri };
    operator.api.on(`POST ${path}/reveal`, { body: revealed });
    const args = ['secret', 'reveal', 'db/password', '--group', 'a'];
    const { code, stdout, stderr } = await cli(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^sallyport: [^\n]+ \(secret\.is_reference\)\n$/);
    expect(stderr).toContain(words);
    expect(stderr.includes(uri)).toBe(kind !== null);
    const inJson = await cli([...args, '--json']);
    expect({ ...inJson, stdout: JSON.parse(inJson.stdout) }).toEqual({
      code: 0,
      stdout: revealed,
      stderr: '',
    });
  });

  test('reveal prints a value that reads like a reference, and is none', async () => {
    operator.api.on(`POST ${path}/reveal`, { body: { ...revealedOne, value: uri } });
    const args = ['secret', 'reveal', 'db/password', '--group', 'a'];
    expect(await cli(args)).toEqual({ code: 0, stdout: uri, stderr: '' });
  });

  test('delete names the one secret', async () => {
    operator.api.on(`DELETE ${path}`, { status: 204 });
    expect(await cli(['secret', 'delete', 'db/password', '--group', 'a'])).toMatchObject({
      code: 0,
    });
    expect(await cli(['secret', 'delete', 'db/user', '--group', 'a'])).toMatchObject({ code: 3 });
  });
});

describe('plugin', () => {
  const config = { url: 'https://example.com', nested: { list: [1, null] } };
  const plugin = {
    id,
    name: 'gateway',
    type: 'generic',
    typeVersion: 1,
    offline: 'allow',
    version: 3,
    config,
    createdAt: at,
    updatedAt: at,
  };

  test('set sends the JSON object of standard input or a file', async () => {
    operator.api.on('PUT /groups/a/plugins/gateway', { body: plugin });
    const args = ['plugin', 'set', 'gateway', '--group', 'a'];
    const file = join(operator.directory, 'gateway.json');
    await writeFile(file, JSON.stringify(config));
    expect(await cli(args, { stdin: JSON.stringify(config) })).toMatchObject({ code: 0 });
    expect(await cli([...args, '--file', file])).toMatchObject({ code: 0 });
    const written = operator.api.received.filter(({ method }) => method === 'PUT');
    expect(written.map(({ body }) => body)).toEqual([{ config }, { config }]);
  });

  test('set replaces what it has read, or makes what is not there, and nothing else', async () => {
    const args = ['plugin', 'set', 'gateway', '--group', 'a'];
    const stdin = JSON.stringify(config);
    const read = '/groups/a/plugins/gateway';
    operator.api.on(`PUT ${read}`, { body: plugin }, problemAnswer(412, 'precondition.failed'));
    expect(await cli(args, { stdin })).toMatchObject({ code: 0 });
    operator.api.on(`GET ${read}`, { body: plugin, etag: '"7"' });
    expect(await cli(args, { stdin })).toMatchObject({ code: 1 });
    const written = operator.api.received.filter(({ method }) => method === 'PUT');
    expect(written.map(({ condition }) => condition)).toEqual(['*', '"7"']);
  });

  test('set and patch send the type, the policy and what was read', async () => {
    for (const operation of ['PUT', 'PATCH'])
      operator.api.on(`${operation} /groups/a/plugins/gateway`, { body: plugin });
    const more = ['gateway', '--group', 'a', '--type', 'proxy', '--offline', 'deny'];
    for (const command of ['set', 'patch'])
      expect(await cli(['plugin', command, ...more], { stdin: '{"a":null}' })).toEqual({
        code: 0,
        stdout: 'gateway is at version 3 (type: generic 1, offline: allow).\n',
        stderr: '',
      });
    const body = { type: 'proxy', offline: 'deny', config: { a: null } };
    const written = operator.api.received.filter(({ method }) => method !== 'GET');
    expect(written.map((request) => request.body)).toEqual([body, body]);
    expect(
      await cli(['plugin', 'patch', 'gateway', '--group', 'a', '--type', 'no/type']),
    ).toMatchObject({ code: 2 });
  });

  test.each(['', 'canary', '[]', '"canary"', 'null', '{"a":1}{}'])(
    'set refuses %j, unrepeated, and sends nothing',
    async (stdin) => {
      const { code, stderr } = await cli(['plugin', 'set', 'gateway', '--group', 'a'], { stdin });
      expect(code).toBe(2);
      expect(stderr).not.toContain('canary');
      expect(operator.api.received).toEqual([]);
    },
  );

  test('show prints the configuration as JSON that set takes', async () => {
    operator.api.on('GET /groups/a/plugins/gateway', { body: plugin });
    const args = ['plugin', 'show', 'gateway', '--group', 'a'];
    expect(JSON.parse((await cli(args)).stdout)).toEqual(config);
    expect(JSON.parse((await cli([...args, '--json'])).stdout)).toEqual(plugin);
  });

  test.each([[[]], [['--json']]])(
    'show with %j writes what a terminal would obey as JSON has it, which says the same',
    async (more) => {
      const config = { url: 'a\u009b2Jb\u202ec\u{e0041}\u007f', 'k\u2028': 'ü😀' };
      operator.api.on('GET /groups/a/plugins/gateway', { body: { ...plugin, config } });
      const { stdout } = await cli(['plugin', 'show', 'gateway', '--group', 'a', ...more]);
      expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
      expect(stdout).toContain('ü😀');
      expect(JSON.parse(stdout)).toMatchObject(more.length === 0 ? config : { config });
    },
  );

  test('list and delete name the plugins', async () => {
    operator.api.on('GET /groups/a/plugins', { body: { items: [plugin] } });
    operator.api.on('DELETE /groups/a/plugins/gateway', { status: 204 });
    expect((await cli(['plugin', 'list', '--group', 'a'])).stdout).toMatch(/^gateway +3 /m);
    expect(await cli(['plugin', 'delete', 'gateway', '--group', 'a'])).toMatchObject({ code: 0 });
    expect(await cli(['plugin', 'delete', 'other', '--group', 'a'])).toMatchObject({ code: 3 });
  });
});
