import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { problemAnswer } from './operator-api.ts';
import { signIn, type SignedIn } from './signed-in.ts';

const at = '2030-01-01T00:00:00.000Z';
const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const group = (name: string) => ({
  id,
  name,
  revision: 7,
  agentMethods: ['key', 'token'],
  clones: 'report',
  createdAt: at,
});

let operator: SignedIn;
beforeEach(async () => {
  operator = await signIn();
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
});

describe('a list', () => {
  test('is followed page after page to its end', async () => {
    operator.api.on(
      'GET /groups',
      { body: { items: [group('a'), group('b')], nextCursor: 'a cursor/+' } },
      { body: { items: [group('c')] } },
    );
    const { code, stdout } = await operator.cli(['group', 'list', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual([group('a'), group('b'), group('c')]);
    expect(operator.api.received.map(({ query }) => query.toString())).toEqual([
      'limit=200',
      'limit=200&cursor=a+cursor%2F%2B',
    ]);
  });

  test('of events that finds nothing says what form a subject takes, where it is of none', async () => {
    operator.api.on('GET /audit', { body: { items: [] } });
    const none = async (subject: string) =>
      (await operator.cli(['audit', 'list', '--subject', subject])).stderr;
    expect(await none('db/password')).toBe(
      'No event matches. Most subjects are told with their kind, such as secret:db/password.\n',
    );
    expect(await none('secret:db/password')).toBe('No event matches.\n');
  });

  test('that leads back to itself is not followed for ever', async () => {
    operator.api.on('GET /groups', { body: { items: [group('a')], nextCursor: 'again' } });
    expect(await operator.cli(['group', 'list'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('reply.unexpected'),
    });
    expect(operator.api.received).toHaveLength(2);
  });

  test('is a table for people', async () => {
    operator.api.on('GET /groups', { body: { items: [group('a'), group('plant-7')] } });
    expect((await operator.cli(['group', 'list'])).stdout).toBe(
      [
        'NAME     REVISION  CREATED',
        `a        7         ${at}`,
        `plant-7  7         ${at}`,
        '',
      ].join('\n'),
    );
  });

  test('of nothing is a sentence for people, of which a pipe gets nothing, and an empty array for programs', async () => {
    operator.api.on('GET /groups', { body: { items: [] } });
    const said = { code: 0, stdout: '', stderr: 'There are no groups.\n' };
    expect(await operator.cli(['group', 'list'])).toEqual(said);
    const forPrograms = { code: 0, stdout: '[]\n', stderr: '' };
    expect(await operator.cli(['--json', 'group', 'list'])).toEqual(forPrograms);
  });
});

describe('a refusal by the control plane', () => {
  test.each([
    [404, 'a.code_of_the_future', 3],
    [401, 'session.invalid', 4],
    [403, 'permission.denied', 1],
    [409, 'group.exists', 1],
    [429, 'operator.locked', 1],
    [500, 'server.internal', 1],
    [503, 'server.unavailable', 1],
  ])('of status %i, %s, exits %i', async (status, code, exitCode) => {
    operator.api.on('GET /groups/a', problemAnswer(status, code));
    expect(await operator.cli(['group', 'show', 'a'])).toEqual({
      code: exitCode,
      stdout: '',
      stderr: `sallyport: It is ${code}. (${code}, request 7f3a)\n`,
    });
  });

  test.each([
    [['group', 'show', 'a'], '/groups/a', 'group', 'a', 'group list'],
    [
      ['secret', 'delete', 'db/x', '--group', 'a'],
      '/groups/a/secrets/db%2Fx',
      'secret',
      'db/x',
      'secret list --group a',
    ],
    [['secret', 'delete', 'x', '--group', 'a'], '/groups/a/secrets/x', 'group', 'a', 'group list'],
    [['operator', 'show', 'bob'], '/operators/bob', 'operator', 'bob', 'operator list'],
    [
      ['link', 'show', 'press', '--group', 'a'],
      '/groups/a/links/press',
      'link',
      'press',
      'link list --group a',
    ],
  ])('for want of what was named, by %j, says what and where to look', async (...row) => {
    const [args, path, what, name, list] = row;
    const method = args[0] === 'secret' ? 'DELETE' : 'GET';
    operator.api.on(`${method} ${path}`, problemAnswer(404, `${what}.not_found`));
    expect(await operator.cli(args)).toEqual({
      code: 3,
      stdout: '',
      stderr: `sallyport: It is ${what}.not_found: ${name} — see: sallyport ${list} (${what}.not_found, request 7f3a)\n`,
    });
  });

  test('names every wrong field, in one line', async () => {
    const issues = [
      { field: 'body.name', message: 'use a-z' },
      { field: 'body.uses', message: 'use less\n' },
    ];
    operator.api.on(
      'POST /groups',
      problemAnswer(400, 'request.invalid', { detail: 'It is not valid.', issues }),
    );
    expect((await operator.cli(['group', 'create', 'a'])).stderr).toBe(
      'sallyport: name: use a-z; uses: use less\\u{a} (request.invalid, request 7f3a)\n',
    );
  });

  test('that is not valid is told by the options of the command, where it has them', async () => {
    const fields = ['body.offline', 'body.lease.maxTtlSeconds', 'body.value'];
    const issues = fields.map((field) => ({ field, message: 'is amiss' }));
    operator.api.on(
      'PUT /groups/a/secrets/x',
      problemAnswer(400, 'request.invalid', { detail: 'It is not valid: see body.', issues }),
    );
    const args = ['secret', 'set', 'x', '--group', 'a', '--offline', 'allow', '--lease', '5m'];
    expect((await operator.cli(args, { stdin: 'v' })).stderr).toBe(
      'sallyport: --offline: is amiss; --lease-max: is amiss; value: is amiss (request.invalid, request 7f3a)\n',
    );
  });

  test('is one JSON value on standard error with --json, and nothing on standard output', async () => {
    operator.api.on('GET /groups/a', problemAnswer(404, 'group.not_found'));
    const { stdout, stderr } = await operator.cli(['group', 'show', 'a', '--json']);
    expect(stdout).toBe('');
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'group.not_found',
        message: 'It is group.not_found: a — see: sallyport group list',
        requestId: '7f3a',
        issues: [],
      },
    });
  });
});

describe('a reply that is not one of the operator API', () => {
  test.each([
    ['a web page', { text: '<!doctype html>canary' }],
    ['a web page of an error', { status: 502, text: '<!doctype html>canary' }],
    ['a redirect', { status: 302, text: '' }],
    ['something else', { body: { canary: true } }],
    ['a field more than the contract has', { body: { ...group('a'), canary: 1 } }],
    ['an error that is no problem document', { status: 404, body: { error: 'canary' } }],
    ['nothing', { status: 200 }],
  ])('such as %s is refused, and not repeated', async (_, answer) => {
    operator.api.on('GET /groups/a', answer);
    const { code, stdout, stderr } = await operator.cli(['group', 'show', 'a']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^sallyport: GET \/groups\/a brought .*\(reply\.unexpected\)\n$/);
    expect(stderr).not.toContain('canary');
  });

  test('does not pass for a deletion that was done', async () => {
    operator.api.on('DELETE /groups/a/secrets/x', { status: 302, text: '' });
    expect(await operator.cli(['secret', 'delete', 'x', '--group', 'a'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('reply.unexpected'),
    });
  });
});

test('a name in a reply that would rewrite the screen is shown, and no terminal obeys it', async () => {
  const caller = { kind: 'operator', id, name: 'owner\u001b[2J', roles: [] };
  const body = { token: 'sp_session_canary', expiresAt: at, operator: caller };
  operator.api.on('POST /sessions', { status: 201, body });
  const { url, fingerprint } = operator.api;
  const { stdout } = await operator.cli(['login', '--url', url, '--fingerprint', fingerprint], {
    env: { SALLYPORT_PASSWORD: 'canary' },
  });
  expect(stdout).toBe(`Signed in to ${url} as owner\\u{1b}[2J (no role) until ${at}.\n`);
});
