import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chainEvents, GENESIS } from '@sallyport/crypto/audit-chain';
import { signCheckpoint } from '@sallyport/crypto/checkpoint';
import {
  base,
  checkpoint,
  event,
  events,
  head,
  key,
  links,
  signer,
  text,
  whole,
} from './audit-chain.ts';
import { signIn, type SignedIn } from './signed-in.ts';

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

/** Verifies an export without a control plane: nothing may be asked of it. */
async function verify(exported: string, ...proof: ('checkpoint' | 'key' | 'from-start')[]) {
  const given = { checkpoint: await write('checkpoint', checkpoint), key: await write('key', key) };
  const options = proof.flatMap((name) =>
    name === 'from-start' ? ['--from-start'] : [`--${name}`, given[name]],
  );
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
  });

  /** From the fifth on: exported so, or with its beginning cut off. */
  const part = text([
    { base: { ...links[3], event: undefined, checkpoint: null } },
    ...links.slice(4),
  ]);

  test('says of one that begins later that what came before is not verified, and of a whole one nothing', async () => {
    expect(await verify(part, 'checkpoint', 'key')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('positions 5 to 9'),
      stderr: expect.stringMatching(/^What came before position 5 .* not verified; --from-start/),
    });
    expect((await verify(whole, 'checkpoint', 'key')).stderr).toBe('');
  });

  test('refuses with --from-start one that does not begin with the first event', async () => {
    expect(await verify(part, 'checkpoint', 'key', 'from-start')).toMatchObject({
      code: 6,
      stdout: '',
      stderr: expect.stringContaining('position 1 is missing: the export begins after it'),
    });
    expect((await verify(whole, 'checkpoint', 'key', 'from-start')).code).toBe(0);
    expect(await cli(['audit', 'verify', '--from-start'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--from-start go with an export'),
    });
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
