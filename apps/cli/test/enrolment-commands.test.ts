import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createClock } from '@sallyport/testkit/clock';
import { problemAnswer } from './operator-api.ts';
import { signIn, type SignedIn } from './signed-in.ts';

const at = '2030-01-01T00:00:00.000Z';
const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const otherId = '01890a5d-ac96-774b-bcce-b302099a8058';
const facts = { agentVersion: '0.1.0', platform: 'linux', architecture: 'x64', runtime: 'node 26' };

const agent = {
  id,
  name: 'host-1',
  group: 'a',
  state: 'active',
  stateSince: null,
  appliedRevision: 7,
  keyThumbprint: 'thumbprint',
  facts: { ...facts, platform: 'linux\u001b[2J' },
  enrolledAt: at,
  lastSeenAt: null,
  revokedAt: null,
  clonedAt: null,
  certificateIdentity: null,
};

let operator: SignedIn;
beforeEach(async () => {
  operator = await signIn();
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
});
const cli: SignedIn['cli'] = (args, given) => operator.cli(args, given);

describe('token', () => {
  const token = {
    id,
    uses: 1,
    usesLeft: 1,
    expiresAt: '2030-01-01T01:00:00.000Z',
    revokedAt: null,
    cidrs: [],
    createdAt: at,
  };
  const info = {
    version: '0.1.0',
    protocol: 1,
    caFingerprint: 'SHA256:AB',
    agentUrl: 'https://127.0.0.1:9443',
  };
  const enroll =
    'sallyport-agent enroll --url https://127.0.0.1:9443 --fingerprint SHA256:AB --token-file -';

  test('create shows the token once, and the command that uses it without the token', async () => {
    operator.api.on('GET /system/info', { body: info });
    operator.api.on('POST /groups/a/enrollment-tokens', {
      status: 201,
      body: { ...token, token: 'sp_enroll_x' },
    });
    const { code, stdout } = await cli(['token', 'create', '--group', 'a']);
    expect(code).toBe(0);
    expect(stdout.match(/sp_enroll_x/g)).toHaveLength(1);
    expect(stdout).toContain(`\n  ${enroll}\n`);
    expect(operator.api.received.at(-1)?.body).toEqual({
      uses: 1,
      expiresInSeconds: 3600,
      cidrs: [],
    });

    const json = await cli(['token', 'create', '--group', 'a', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      id,
      token: 'sp_enroll_x',
      enrollCommand: enroll,
    });
  });

  test('create sends the bounds that were asked for', async () => {
    operator.api.on('GET /system/info', { body: info });
    operator.api.on('POST /groups/a/enrollment-tokens', {
      body: { ...token, token: 'sp_enroll_x' },
    });
    const bounds = [
      '--uses',
      '50',
      '--expires',
      '7d',
      '--cidr',
      '10.0.0.0/8',
      'fd00::/8',
      '--cidr',
      '192.0.2.0/24',
    ];
    expect(await cli(['token', 'create', '--group', 'a', ...bounds])).toMatchObject({ code: 0 });
    expect(operator.api.received.at(-1)?.body).toEqual({
      uses: 50,
      expiresInSeconds: 604_800,
      cidrs: ['10.0.0.0/8', 'fd00::/8', '192.0.2.0/24'],
    });
  });

  test('create makes no token when nobody could be told where to use it', async () => {
    operator.api.on('GET /system/info', problemAnswer(503, 'server.unavailable'));
    expect(await cli(['token', 'create', '--group', 'a'])).toMatchObject({ code: 1 });
    expect(operator.api.received).toHaveLength(1);
  });

  test('list tells why a token is of no more use', async () => {
    const items = [
      token,
      { ...token, usesLeft: 0 },
      { ...token, expiresAt: at },
      { ...token, revokedAt: at, cidrs: ['10.0.0.0/8', 'fd00::/8'] },
    ];
    operator.api.on('GET /groups/a/enrollment-tokens', { body: { items } });
    const { stdout } = await cli(['token', 'list', '--group', 'a']);
    const [, ...rows] = stdout.trimEnd().split('\n');
    expect(rows.map((row) => row.split(/ {2,}/).slice(1))).toEqual([
      ['open', '1 of 1', token.expiresAt, 'any'],
      ['used up', '0 of 1', token.expiresAt, 'any'],
      ['expired', '1 of 1', at, 'any'],
      ['revoked', '1 of 1', token.expiresAt, '10.0.0.0/8, fd00::/8'],
    ]);
  });

  test('revoke names the one token', async () => {
    operator.api.on(`DELETE /groups/a/enrollment-tokens/${id}`, { status: 204 });
    expect(await cli(['token', 'revoke', id, '--group', 'a'])).toMatchObject({ code: 0 });
    expect(await cli(['token', 'revoke', otherId, '--group', 'a'])).toMatchObject({ code: 3 });
  });
});

describe('agent', () => {
  test('[F-10] list and show tell who was never seen, and list of whom a copy was', async () => {
    const seen = { ...agent, name: 'host-2', lastSeenAt: at, clonedAt: '2030-01-02T00:00:00.000Z' };
    operator.api.on('GET /groups/a/agents', { body: { items: [agent, seen] } });
    operator.api.on(`GET /agents/${id}`, { body: agent });
    const { stdout } = await cli(['agent', 'list', '--group', 'a']);
    expect(stdout).toMatch(/^host-1 .* never seen .* 7 +never +-$/m);
    expect(stdout).toMatch(/^host-2 .* active .* 2030-01-02T00:00:00\.000Z$/m);
    expect((await cli(['agent', 'show', id])).stdout).toMatch(/^State +never seen$/m);
  });

  test('[AT-03] list without a group is of every group, and tells of which', async () => {
    operator.api.on('GET /agents', { body: { items: [agent, { ...agent, group: 'b' }] } });
    const { stdout } = await cli(['agent', 'list', '--state', 'lost']);
    expect(stdout.split('\n').map((line) => line.split(/ +/)[2])).toEqual(
      expect.arrayContaining(['GROUP', 'a', 'b']),
    );
    expect(operator.api.received.at(-1)?.query.get('state')).toBe('lost');
    operator.api.on('GET /agents', { body: { items: [] } });
    const none = await cli(['agent', 'list', '--state', 'lost']);
    expect(none).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'There are no agents that are lost.\n',
    });
  });

  test('list and show tell what is known, and obey nothing that the agent says of itself', async () => {
    operator.api.on('GET /groups/a/agents', { body: { items: [agent] } });
    operator.api.on(`GET /agents/${id}`, { body: agent });
    expect((await cli(['agent', 'list', '--group', 'a'])).stdout).toMatch(/host-1 .*7 .*never/);
    await cli(['agent', 'list', '--group', 'a', '--state', 'stale']);
    expect(operator.api.received.at(-1)?.query.get('state')).toBe('stale');
    expect(await cli(['agent', 'list', '--group', 'a', '--state', 'odd'])).toMatchObject({
      code: 2,
    });
    const { stdout } = await cli(['agent', 'show', id]);
    expect(stdout).toContain('linux\\u{1b}[2J x64, node 26');
    expect(stdout).not.toContain('\u001b');
  });

  test('[BM-14] update says which certificate is the agent’s, none says that none is, and anything else is not sent', async () => {
    const certificateIdentity = 'dns:db-7.corp';
    operator.api.on(`PATCH /agents/${id}`, { body: { ...agent, certificateIdentity } });
    const update = (identity: string) =>
      cli(['agent', 'update', id, '--certificate-identity', identity]);
    const { code, stdout } = await update(certificateIdentity);
    expect({ code, shown: stdout.includes(certificateIdentity) }).toEqual({ code: 0, shown: true });
    operator.api.on(`PATCH /agents/${id}`, { body: agent });
    expect((await update('none')).stdout).not.toContain('dns:');
    expect(await update('db-7.corp')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--certificate-identity: use uri:'),
    });
  });

  test('revoke names the one agent', async () => {
    operator.api.on(`POST /agents/${id}/revoke`, {
      body: { ...agent, state: 'revoked', stateSince: at, revokedAt: at },
    });
    expect(await cli(['agent', 'revoke', id])).toMatchObject({
      code: 0,
      stdout: `Revoked the agent host-1 (${id}).\n`,
    });
    expect(await cli(['agent', 'revoke', otherId])).toMatchObject({ code: 3 });
  });
});

describe('agent diagnose', () => {
  const result = {
    facts,
    uptimeSeconds: 12.4,
    clockOffsetMilliseconds: -3,
    tls: { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', peerFingerprint: 'SHA256:CD' },
    cache: { revision: 7, epoch: 1, entries: 2, bytes: 20 },
    disk: { durableBundleBytes: null, durableRevision: null, freeBytes: 1000, quarantined: 0 },
  };
  const queued = {
    id: otherId,
    kind: 'diagnose',
    state: 'queued',
    attempts: 0,
    result: null,
    error: null,
    createdAt: at,
    finishedAt: null,
  };
  const claimed = { ...queued, state: 'claimed', attempts: 1 };
  const completed = { ...queued, state: 'completed', attempts: 1, result, finishedAt: at };
  const dead = { ...queued, state: 'dead', attempts: 3, error: 'no disk', finishedAt: at };
  const one = `GET /agents/${id}/tasks/${otherId}`;

  beforeEach(() => {
    operator.api.on(`POST /agents/${id}/tasks`, { status: 201, body: queued });
    operator.api.on(`GET /agents/${id}`, { body: agent });
  });

  test('of a lost agent says that it is lost, since when, and for how long is waited', async () => {
    operator.api.on(`GET /agents/${id}`, { body: { ...agent, state: 'lost', stateSince: at } });
    operator.api.on(one, { body: queued }, { body: completed });
    const { stderr } = await cli(['agent', 'diagnose', id, '--timeout', '90s']);
    expect(stderr.split('\n')[0]).toBe(
      `host-1 is lost since ${at}: the task waits for it to come back, this command for 1m30s.`,
    );
  });

  test('waits for the report, telling what happens meanwhile', async () => {
    operator.api.on(
      one,
      { body: queued },
      { body: claimed },
      { body: claimed },
      { body: completed },
    );
    const { code, stdout, stderr } = await cli(['agent', 'diagnose', id]);
    expect(code).toBe(0);
    expect(stderr.trimEnd().split('\n')).toEqual([
      'Waiting for the agent to take the task …',
      'The agent is at work (attempt 1) …',
      'Done.',
    ]);
    expect(stdout).toMatch(/^Clock offset +-3 ms, to about a second$/m);
    expect(operator.api.received[0]?.body).toEqual({ kind: 'diagnose' });
  });

  test('with --json prints the finished task, and nothing meanwhile', async () => {
    operator.api.on(one, { body: queued }, { body: completed });
    const { stdout, stderr } = await cli(['agent', 'diagnose', id, '--json']);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(completed);
  });

  test('fails with the last attempt’s reason when every attempt failed', async () => {
    operator.api.on(one, { body: { ...queued, error: 'no memory' } }, { body: dead });
    const { code, stdout, stderr } = await cli(['agent', 'diagnose', id]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('the attempt before failed: no memory');
    expect(stderr).toContain('sallyport: the agent could not do it: no disk (task.failed)\n');
  });

  test('gives up after the time it was given, and says that the task goes on', async () => {
    operator.api.on(one, { body: queued });
    const clock = createClock();
    const startedAt = clock.now();
    const outcome = await cli(['agent', 'diagnose', id, '--timeout', '10s'], { clock });
    expect(outcome).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('(task.unfinished)'),
    });
    expect(clock.now() - startedAt).toBeGreaterThanOrEqual(10_000);
    expect(clock.now() - startedAt).toBeLessThan(13_000);
  });
});
