import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chainEvents, GENESIS } from '@sallyport/crypto/audit-chain';
import { at, checkpoint, event, events, head, id, key, links, whole } from './audit-chain.ts';
import { problemAnswer } from './operator-api.ts';
import { signIn, type SignedIn } from './signed-in.ts';

let signedIn: SignedIn;
beforeEach(async () => {
  signedIn = await signIn();
});
afterEach(async () => {
  await signedIn[Symbol.asyncDispose]();
});
/** What a control plane lists of events that belong to no group. */
const entries = (of: Parameters<typeof chainEvents>[1]) =>
  chainEvents(GENESIS, of).map(({ event: told, ...link }) => ({
    ...link,
    group: null,
    event: told,
  }));
const cli: SignedIn['cli'] = (args, given) => signedIn.cli(args, given);

describe('audit', () => {
  test('verify without a file asks the control plane, and exits with 6 when that finds a break', async () => {
    const found = { intact: true, base: 0, size: 9, hash: head.hash, checkpoints: 3, break: null };
    signedIn.api.on('GET /audit/verify', { body: found });
    expect((await cli(['audit', 'verify'])).stdout).toContain('3 met');
    const wrong = { kind: 'deleted', position: 4 };
    signedIn.api.on('GET /audit/verify', { body: { ...found, intact: false, break: wrong } });
    expect(await cli(['audit', 'verify'])).toMatchObject({
      code: 6,
      stderr: 'sallyport: position 4 is deleted: what was recorded there is gone (audit.broken)\n',
    });
  });

  test('list sends its filters and shows a line for each event', async () => {
    signedIn.api.on('GET /audit', { body: { items: [{ ...links[8], group: 'plant-7' }] } });
    const { stdout } = await cli([
      'audit',
      'list',
      '--subject',
      'secret:db',
      '--code',
      'permission.denied',
      '--request',
      'r-8',
      '--before',
      '10',
      '--limit',
      '5',
    ]);
    expect(stdout.split('\n')[1]).toBe(
      `9         ${at}  operator ann  192.0.2.1  secret:reveal  secret:db  plant-7  done     version 2`,
    );
    const [{ query } = { query: undefined }] = signedIn.api.received;
    expect(Object.fromEntries(query ?? [])).toEqual({
      subject: 'secret:db',
      code: 'permission.denied',
      requestId: 'r-8',
      cursor: '10',
      limit: '5',
    });
    expect((await cli(['audit', 'list', '--outcome', 'maybe'])).code).toBe(2);
  });

  test('list says once of somebody without a credential that nobody knows who it was', async () => {
    const actor = { kind: 'anonymous', id: null, name: 'anonymous' };
    signedIn.api.on('GET /audit', { body: { items: entries([{ ...event, actor }]) } });
    const { stdout } = await cli(['audit', 'list']);
    expect(stdout).toContain(`${at}  anonymous  192.0.2.1  `);
  });

  test('[SG-03] list tells which version was read by which program, and why it was refused', async () => {
    const agent = { kind: 'agent', id, name: 'edge-1' };
    const program = { listener: '/run/shop.sock', pid: 7, uid: 1000 };
    const details = [
      { ...program, version: 3, count: 5 },
      { ...program, code: 'request.not_allowed', before: { code: 'no' } },
      { code: `\u001b[0m${'x'.repeat(100)}` },
      { ...program, pid: null, version: 3, count: 2 },
    ];
    const items = entries(details.map((each) => ({ ...event, actor: agent, details: each })));
    signedIn.api.on('GET /audit', { body: { items } });
    const lines = (await cli(['audit', 'list'])).stdout.split('\n');
    expect(lines[1]).toMatch(/ agent edge-1 .* version 3, 5 times, pid 7 of user 1000$/);
    expect(lines[2]).toMatch(/ request\.not_allowed, pid 7 of user 1000$/);
    expect(lines[3]).toMatch(/ \\u\{1b\}\[0mx{1,64}…$/);
    expect(lines[4]).toMatch(/ version 3, 2 times, user 1000$/);
  });

  test.each([
    ['what was dropped', 'events:drop', { count: 399 }, / agent +- +done +399 events$/],
    ['one that was dropped', 'events:drop', { count: 1 }, / agent +- +done +1 event$/],
    [
      'when it happened, where it was told later',
      'agent:stop',
      { happenedAt: '2029-12-31T23:58:59.999Z' },
      / agent +- +done +happened 2029-12-31T23:58:59\.999Z$/,
    ],
    [
      'when it happened by a clock that is ahead',
      'agent:stop',
      { happenedAt: '2030-01-01T00:01:00.001Z' },
      / agent +- +done +happened 2030-01-01T00:01:00\.001Z$/,
    ],
    [
      'no time that is about the same',
      'agent:stop',
      { happenedAt: '2029-12-31T23:59:00.000Z' },
      / agent +- +done *$/,
    ],
    ['no time that is none', 'agent:stop', { happenedAt: 'later' }, / agent +- +done *$/],
    [
      'the failure that locked a name',
      'session:create',
      { code: 'credentials.wrong', locked: true },
      / agent +- +done +credentials\.wrong, name locked$/,
    ],
    [
      'no lock of a failure that locked nothing',
      'session:create',
      { code: 'credentials.wrong', locked: false },
      / agent +- +done +credentials\.wrong$/,
    ],
  ])('list tells %s', async (_, action, details, line) => {
    const items = entries([{ ...event, action, subject: 'agent', details }]);
    signedIn.api.on('GET /audit', { body: { items } });
    expect((await cli(['audit', 'list'])).stdout.split('\n')[1]).toMatch(line);
  });

  test('list tells a person how to see the events before those it shows, where there are any', async () => {
    const [last, first] = entries(events).slice(7);
    const earlier = 'Earlier events are not shown; for those, add --before 8.\n';
    const items = [first, last];
    signedIn.api.on('GET /audit', { body: { items, nextCursor: '8' } });
    expect(await cli(['audit', 'list'])).toMatchObject({ code: 0, stderr: earlier });
    expect(await cli(['audit', 'list', '--json'])).toEqual({
      code: 0,
      stdout: `${JSON.stringify(items)}\n`,
      stderr: '',
    });
    signedIn.api.on('GET /audit', { body: { items } });
    expect(await cli(['audit', 'list'])).toMatchObject({ code: 0, stderr: '' });
  });

  test('export writes what comes to a new file of its owner alone', async () => {
    signedIn.api.on('GET /audit/export', { text: whole });
    const file = join(signedIn.directory, 'new.jsonl');
    expect((await cli(['audit', 'export', '--file', file, '--from', '2'])).code).toBe(0);
    expect(await readFile(file, 'utf8')).toBe(whole);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(signedIn.api.received[0]?.query.get('from')).toBe('2');
    expect((await cli(['audit', 'export', '--file', file])).code).toBe(2);
    signedIn.api.on('GET /audit/export', problemAnswer(403, 'permission.denied'));
    expect((await cli(['audit', 'export', '--file', `${file}.2`])).code).toBe(1);
    await expect(stat(`${file}.2`)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('checkpoint and key print what is to be kept, byte for byte', async () => {
    const made = { id, size: 9, hash: head.hash, note: checkpoint, createdAt: at };
    signedIn.api.on('POST /audit/checkpoints', { status: 201, body: made });
    signedIn.api.on('GET /audit/verifier-key', { body: { keys: [key] } });
    expect((await cli(['audit', 'checkpoint'])).stdout).toBe(checkpoint);
    expect((await cli(['audit', 'key'])).stdout).toBe(`${key}\n`);
  });
});
