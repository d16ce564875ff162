import { generateKeyPairSync } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chainEvents, GENESIS } from '@sallyport/crypto/audit-chain';
import { formatVerifierKey, signCheckpoint } from '@sallyport/crypto/checkpoint';
import { problemAnswer } from './operator-api.ts';
import { signIn, type SignedIn } from './signed-in.ts';

const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const at = '2030-01-01T00:00:00.000Z';
const event = {
  id,
  at,
  actor: { kind: 'operator', id, name: 'ann' },
  action: 'secret:reveal',
  subject: 'secret:db',
  groupId: null,
  outcome: 'done',
  address: '192.0.2.1',
  requestId: id,
  details: { version: 2 },
};
const events = Array.from({ length: 9 }, (_, index) => ({ ...event, requestId: `r-${index}` }));
const links = chainEvents(GENESIS, events);
const head = links[8] ?? GENESIS;
const keys = generateKeyPairSync('ed25519');
const signer = { name: 'sallyport.audit/1', privateKey: keys.privateKey };
const checkpoint = signCheckpoint(signer, head);
const key = formatVerifierKey({ name: signer.name, publicKey: keys.publicKey });

let signedIn: SignedIn;
beforeEach(async () => {
  signedIn = await signIn();
});
afterEach(async () => {
  await signedIn[Symbol.asyncDispose]();
});
const cli: SignedIn['cli'] = (args, given) => signedIn.cli(args, given);

async function write(name: string, text: string): Promise<string> {
  const path = join(signedIn.directory, name);
  await writeFile(path, text);
  return path;
}

const base = { base: { ...GENESIS, checkpoint: null } };
const text = (lines: unknown[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');
const whole = text([base, ...links]);

/** Verifies an export without a control plane: nothing may be asked of it. */
async function verify(exported: string, ...proof: ('checkpoint' | 'key')[]) {
  const given = { checkpoint: await write('checkpoint', checkpoint), key: await write('key', key) };
  const options = proof.flatMap((name) => [`--${name}`, given[name]]);
  const file = await write('export.jsonl', exported);
  const outcome = await cli(['audit', 'verify', file, ...options]);
  expect(signedIn.api.received).toEqual([]);
  return outcome;
}

describe('[F-19] [A7-17] audit verify, of an export', () => {
  test('says that it is intact, how far it reaches, and whether a checkpoint was signed', async () => {
    const { code, stdout } = await verify(whole, 'checkpoint', 'key');
    expect([code, stdout]).toEqual([
      0,
      `Intact       positions 1 to 9\nHead         ${head.hash}\nCheckpoints  agrees, signed\n`,
    ]);
    expect((await verify(whole, 'checkpoint')).stdout).toContain('signature not checked');
    expect((await verify(whole)).stdout).toContain('none given');
    const part = text([
      { base: { ...links[3], event: undefined, checkpoint: null } },
      ...links.slice(4),
    ]);
    expect((await verify(part, 'checkpoint', 'key')).stdout).toContain('positions 5 to 9');
  });

  const edited = links.with(4, { ...head, ...links[4], event: { ...event, outcome: 'refused' } });
  /** The fifth line with one member more, before the outcome of its event. */
  const second = (member: string) =>
    whole.replace(/"outcome":"done"(?=.*"r-4")/, (outcome) => `${member},${outcome}`);
  const swapped = [0, 1, 5, 3, 4, 2, 6, 7, 8].map((index) => links[index]);
  const anew = chainEvents(GENESIS, events.with(2, { ...event, subject: 'secret:other' }));

  test.each([
    ['edited', whole.replace('r-4', 'r-x'), [], 'position 5 is edited'],
    ['edited in another field', text([base, ...edited]), [], 'position 5 is edited'],
    ['less one', text([base, ...links.toSpliced(5, 1)]), [], 'position 6 is deleted'],
    ['with two in each other’s place', text([base, ...swapped]), [], 'position 3 is reordered'],
    ['cut off', text([base, ...links.slice(0, 6)]), ['checkpoint'], 'position 7 is truncated'],
    ['cut off within a line', whole.slice(0, -20), [], 'position 9 is edited'],
    [
      'written anew as a whole',
      text([base, ...anew]),
      ['checkpoint', 'key'],
      'position 9 is rewritten',
    ],
    ['given a second member of a name', second('"outcome":"done"'), [], 'position 5 is edited'],
    ['given a member that copying loses', second('"__proto__":{}'), [], 'position 5 is edited'],
    [
      'given a second event',
      whole.replace('"position":5,', '"position":5,"event":{},'),
      [],
      'position 5 is edited',
    ],
    ['nested without end', second(`"a":${'['.repeat(9e4)}${']'.repeat(9e4)}`), [], 'position 5 is'],
    ['given what has no text', second(String.raw`"a":"\ud800"`), [], 'position 5 is edited'],
    ['given a number without end', second('"a":1e999'), [], 'position 5 is edited'],
    ['overwritten', whole.replace(/.*r-4.*/, '\0\u{fffd}'), [], 'position 5 is edited'],
    ['with another beginning', whole.replace('AAAA', 'BBBB'), [], 'position 1 is edited'],
  ] as const)(
    'names where it is broken when it is %s, and exits with 6',
    async (_, exported, proof, words) => {
      const { code, stdout, stderr } = await verify(exported, ...proof);
      expect([code, stdout]).toEqual([6, '']);
      expect(stderr).toContain(words);
    },
  );

  test('that was cut off or written anew is intact by itself: that is what checkpoints are for', async () => {
    expect((await verify(text([base, ...links.slice(0, 6)]))).code).toBe(0);
    expect((await verify(text([base, ...anew]))).code).toBe(0);
  });

  test('does not believe a checkpoint of another key, or one that was changed', async () => {
    const other = generateKeyPairSync('ed25519').privateKey;
    const file = await write('export.jsonl', whole);
    const keyFile = await write('key', key);
    for (const note of [
      signCheckpoint({ ...signer, privateKey: other }, head),
      checkpoint.replace('\n9\n', '\n8\n'),
    ]) {
      const forged = await write('forged', note);
      const outcome = await cli([
        'audit',
        'verify',
        file,
        '--checkpoint',
        forged,
        '--key',
        keyFile,
      ]);
      expect(outcome).toMatchObject({ code: 6, stderr: expect.stringContaining('not signed') });
    }
  });

  test.each([
    ['no export', 'hello\n', 'its first line names no base'],
    ['an empty file', '', 'its first line names no base'],
    ['an endless line', 'x'.repeat(400_000), 'longer than any event'],
  ])('refuses %s', async (_, exported, words) => {
    expect(await verify(exported)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(words),
    });
  });

  test('refuses a file that is not there, a checkpoint that is none, and one of before the export', async () => {
    const file = await write(
      'export.jsonl',
      text([{ base: { ...head, event: undefined, checkpoint: null } }]),
    );
    const early = await write('early', signCheckpoint(signer, links[2] ?? head));
    const none = await write('none', 'none');
    expect((await cli(['audit', 'verify', `${file}.gone`])).code).toBe(2);
    expect((await cli(['audit', 'verify', file, '--checkpoint', none])).code).toBe(2);
    expect((await cli(['audit', 'verify', file, '--checkpoint', early])).stderr).toContain(
      'before the export begins',
    );
    expect((await cli(['audit', 'verify', '--checkpoint', none])).code).toBe(2);
  });
});

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
    signedIn.api.on('GET /audit', { body: { items: [links[8]] } });
    const { stdout } = await cli([
      'audit',
      'list',
      '--subject',
      'secret:db',
      '--request',
      'r-8',
      '--before',
      '10',
      '--limit',
      '5',
    ]);
    expect(stdout.split('\n')[1]).toBe(
      `9         ${at}  operator ann  secret:reveal  secret:db  done     version 2`,
    );
    const [{ query } = { query: undefined }] = signedIn.api.received;
    expect(Object.fromEntries(query ?? [])).toEqual({
      subject: 'secret:db',
      requestId: 'r-8',
      cursor: '10',
      limit: '5',
    });
    expect((await cli(['audit', 'list', '--outcome', 'maybe'])).code).toBe(2);
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
    const items = chainEvents(
      GENESIS,
      details.map((each) => ({ ...event, actor: agent, details: each })),
    );
    signedIn.api.on('GET /audit', { body: { items } });
    const lines = (await cli(['audit', 'list'])).stdout.split('\n');
    expect(lines[1]).toMatch(/ agent edge-1 .* version 3, 5 times, pid 7 of user 1000$/);
    expect(lines[2]).toMatch(/ request\.not_allowed, pid 7 of user 1000$/);
    expect(lines[3]).toMatch(/ \\u\{1b\}\[0mx{1,64}…$/);
    expect(lines[4]).toMatch(/ version 3, 2 times, user 1000$/);
  });

  test.each([
    ['what was dropped', 'events:drop', { count: 399 }, / agent +done +399 events$/],
    ['one that was dropped', 'events:drop', { count: 1 }, / agent +done +1 event$/],
    [
      'when it happened, where it was told later',
      'agent:stop',
      { happenedAt: '2029-12-31T23:58:59.999Z' },
      / agent +done +happened 2029-12-31T23:58:59\.999Z$/,
    ],
    [
      'when it happened by a clock that is ahead',
      'agent:stop',
      { happenedAt: '2030-01-01T00:01:00.001Z' },
      / agent +done +happened 2030-01-01T00:01:00\.001Z$/,
    ],
    [
      'no time that is about the same',
      'agent:stop',
      { happenedAt: '2029-12-31T23:59:00.000Z' },
      / agent +done *$/,
    ],
    ['no time that is none', 'agent:stop', { happenedAt: 'later' }, / agent +done *$/],
  ])('list tells %s', async (_, action, details, line) => {
    const items = chainEvents(GENESIS, [{ ...event, action, subject: 'agent', details }]);
    signedIn.api.on('GET /audit', { body: { items } });
    expect((await cli(['audit', 'list'])).stdout.split('\n')[1]).toMatch(line);
  });

  test('list tells a person how to see the events before those it shows, where there are any', async () => {
    const [first, last] = [links[8], links[7]];
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
