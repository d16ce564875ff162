import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { problemAnswer } from './operator-api.ts';
import { signIn, type SignedIn } from './signed-in.ts';

const at = '2030-01-01T00:00:00.000Z';
const definition = {
  description: 'A gateway',
  schema: { type: 'object' },
  encryptedFields: ['/auth/password'],
  publicFields: [],
};
const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const { schema, ...shown } = definition;
const summary = { id, name: 'gateway', version: 2, ...shown, createdAt: at, updatedAt: at };
const type = { ...summary, schema };
const problems = [{ path: '/auth/password', problem: 'fails minLength' }];
const broken = { breaks: [{ group: 'plant-7', plugin: 'edge', problems }], more: 2 };
const stdin = JSON.stringify(definition);

let operator: SignedIn;
beforeEach(async () => {
  operator = await signIn();
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
});
const cli: SignedIn['cli'] = (args, given) => operator.cli(['plugin-type', ...args], given);

test('set gives a type its next version, and tells what it broke by force', async () => {
  operator.api.on('PUT /plugin-types/gateway', { body: { ...type, ...broken } });
  const { code, stdout } = await cli(['set', 'gateway', '--force'], { stdin });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^gateway is at version 2\.$/m);
  expect(stdout).toMatch(/^plant-7 +edge +\/auth\/password +fails minLength$/m);
  expect(stdout).toMatch(/^and 2 more$/m);
  expect(operator.api.received[0]?.body).toEqual({ ...definition, force: true });
});

test('set makes a type that is not there', async () => {
  operator.api.on('PUT /plugin-types/gateway', problemAnswer(404, 'plugin_type.not_found'));
  operator.api.on('POST /plugin-types', { status: 201, body: { ...type, version: 1 } });
  expect(await cli(['set', 'gateway'], { stdin })).toEqual({
    code: 0,
    stdout: 'gateway is at version 1.\n',
    stderr: '',
  });
  expect(operator.api.received.at(-1)?.body).toEqual({ name: 'gateway', ...definition });
});

test('set tells why it was refused, and makes nothing', async () => {
  operator.api.on(
    'PUT /plugin-types/gateway',
    problemAnswer(409, 'plugin_type.breaks_plugins', {
      issues: [{ field: 'plant-7/edge:/auth/password', message: 'fails minLength' }],
    }),
  );
  const { code, stderr } = await cli(['set', 'gateway'], { stdin });
  expect(code).not.toBe(0);
  expect(stderr).toContain('plant-7/edge:/auth/password: fails minLength');
  expect(operator.api.received).toHaveLength(1);
});

test.each([
  '',
  'canary',
  '[]',
  '{"schema":"canary"}',
  '{"schema":{},"encryptedFields":["canary"]}',
])('set refuses %j, unrepeated, and sends nothing', async (text) => {
  const { code, stderr } = await cli(['set', 'gateway'], { stdin: text });
  expect(code).toBe(2);
  expect(stderr).not.toContain('canary');
  expect(operator.api.received).toEqual([]);
});

test('check tells what a version would break, or that everything fits', async () => {
  operator.api.on(
    'POST /plugin-types/gateway/check',
    { body: broken },
    { body: { breaks: [], more: 0 } },
  );
  expect(await cli(['check', 'gateway'], { stdin })).toEqual({
    code: 7,
    stdout: expect.stringMatching(/^plant-7 +edge /m),
    stderr:
      'sallyport: plugins of this type would not fit; nothing is changed (plugin_type.breaks_plugins)\n',
  });
  expect(await cli(['check', 'gateway'], { stdin })).toEqual({
    code: 0,
    stdout: 'Every plugin of this type fits.\n',
    stderr: '',
  });
  expect(operator.api.received.map(({ body }) => body)).toEqual([definition, definition]);
});

test('check with --json prints what it found, and exits as it does without', async () => {
  operator.api.on('POST /plugin-types/gateway/check', { body: broken });
  const { code, stdout, stderr } = await cli(['check', 'gateway', '--json'], { stdin });
  expect(code).toBe(7);
  expect(JSON.parse(stdout)).toEqual(broken);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'plugin_type.breaks_plugins' } });
});

test('list, show and delete name the types; show prints what set takes', async () => {
  operator.api.on('GET /plugin-types', { body: { items: [summary] } });
  operator.api.on('GET /plugin-types/gateway', { body: type });
  operator.api.on('DELETE /plugin-types/gateway', { status: 204 });
  expect((await cli(['list'])).stdout).toMatch(/^gateway +2 +1 +A gateway$/m);
  expect(JSON.parse((await cli(['show', 'gateway', '--version', '2'])).stdout)).toEqual(definition);
  expect(operator.api.received.at(-1)?.query.get('version')).toBe('2');
  expect(await cli(['delete', 'gateway'])).toMatchObject({ code: 0 });
  expect(await cli(['delete', 'other'])).toMatchObject({ code: 3 });
});
