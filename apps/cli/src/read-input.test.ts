import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { selfSigned } from '@sallyport/tls/test/issuer';
import { KeptText } from '../test/kept-text.ts';
import { readCertificates, readJson, readPassword, readSecretValue } from './read-input.ts';
import type { Terminal } from './terminal.ts';

const unusable = { name: 'CliError', code: 'input.unusable' };

function piped(input: string | Buffer | Readable): Terminal {
  const stdin = input instanceof Readable ? input : Readable.from([Buffer.from(input)]);
  return {
    stdin,
    stdout: new KeptText(),
    stderr: new KeptText(),
    stdinIsTty: false,
    stdoutIsTty: false,
  };
}

function typed(keys: string): { terminal: Terminal; shown: () => string } {
  const [stdin, stdout, stderr] = [
    Readable.from([Buffer.from(keys)]),
    new KeptText(),
    new KeptText(),
  ];
  const shown = () => stdout.text + stderr.text;
  return { terminal: { stdin, stdout, stderr, stdinIsTty: true, stdoutIsTty: true }, shown };
}

let temp: TempDirectory;
beforeAll(async () => {
  temp = await createTempDirectory();
});
afterAll(() => temp.remove());

async function fileOf(content: string | Buffer): Promise<string> {
  const path = join(temp.path, 'input');
  await writeFile(path, content);
  return path;
}

describe('a secret’s value', () => {
  test.each([
    ['value\n', 'value'],
    ['value\r\n', 'value'],
    ['value', 'value'],
    ['value\n\n', 'value\n'],
    [' value \n', ' value '],
    ['\n\n', '\n'],
    ['\uFEFFvalue\n', '\uFEFFvalue'],
  ])('piped in as %j is %j: one line end less', async (input, value) => {
    expect(await readSecretValue(piped(input), undefined)).toBe(value);
  });

  test.each(['value\n', 'value\r\n', '\n', '\uFEFFvalue', 'a\0b'])(
    'from a file, and from --file -, is %j byte for byte',
    async (input) => {
      expect(await readSecretValue(piped(input), '-')).toBe(input);
      expect(await readSecretValue(piped(''), await fileOf(input))).toBe(input);
    },
  );

  test('that comes in pieces, a character cut in two, is whole', async () => {
    const bytes = Buffer.from('pässword');
    const pieces = Readable.from([bytes.subarray(0, 2), bytes.subarray(2)]);
    expect(await readSecretValue(piped(pieces), undefined)).toBe('pässword');
  });

  test('typed by a person is not shown', async () => {
    const { terminal, shown } = typed('canary\r');
    expect(await readSecretValue(terminal, undefined)).toBe('canary');
    expect(shown()).toBe('Value (not shown): \n');
  });

  test('may be corrected while it is typed', async () => {
    expect(await readSecretValue(typed('canarx\u007fy\r').terminal, undefined)).toBe('canary');
  });

  test.each([
    ['Ctrl-C', 'canary\u0003', 'prompt.interrupted'],
    ['Ctrl-D', '\u0004', 'prompt.cancelled'],
    ['the end of the input', '', 'prompt.cancelled'],
  ])('is refused when %s ends the typing', async (_, keys, code) => {
    const { terminal, shown } = typed(keys);
    await expect(readSecretValue(terminal, undefined)).rejects.toMatchObject({ code });
    expect(shown()).not.toContain('canary');
  });

  test('of 64 KiB is read, and of one byte more is refused', async () => {
    const most = 'x'.repeat(64 * 1024);
    expect(await readSecretValue(piped(`${most}\n`), undefined)).toBe(most);
    expect(await readSecretValue(piped(most), '-')).toBe(most);
    const refusal = { ...unusable, message: expect.stringMatching(/65536 bytes$/) };
    for (const more of ['x', 'xxx'])
      await expect(readSecretValue(piped(`${most}${more}`), undefined)).rejects.toMatchObject(
        refusal,
      );
    await expect(readSecretValue(piped(`${most}\n`), '-')).rejects.toMatchObject(refusal);
  });

  test('without end is refused once it is too long', async () => {
    function* endless(): Generator<Buffer> {
      for (;;) yield Buffer.alloc(4096, 'x');
    }
    await expect(readSecretValue(piped(Readable.from(endless())), '-')).rejects.toMatchObject({
      ...unusable,
      message: 'standard input is longer than 65536 bytes',
    });
  });

  test.each([
    ['empty', ''],
    ['one line end', '\n'],
  ])('that is %s is refused', async (_, input) => {
    await expect(readSecretValue(piped(input), undefined)).rejects.toMatchObject(unusable);
  });

  test('that is no UTF-8 is refused, with what to do instead', async () => {
    const binary = Buffer.of(0xff, 0xfe, 0);
    const refusal = { ...unusable, message: expect.stringContaining('base64') };
    await expect(readSecretValue(piped(binary), '-')).rejects.toMatchObject(refusal);
  });

  test('from a file that is not there is refused by name', async () => {
    const path = join(temp.path, 'missing');
    const message = 'the file of --file cannot be read (ENOENT); check its path and permissions';
    const refusal = { ...unusable, message };
    await expect(readSecretValue(piped(''), path)).rejects.toMatchObject(refusal);
  });
});

test('a password loses one line end, from a file too', async () => {
  expect(await readPassword(piped('p w\n'), { option: '--password-file', path: '-' })).toBe('p w');
  expect(
    await readPassword(piped(''), { option: '--password-file', path: await fileOf('p w\r\n') }),
  ).toBe('p w');
});

test('JSON is read, and text that is none is refused without being quoted', async () => {
  expect(await readJson(piped('{"a":[1]}'), '-')).toEqual({ a: [1] });
  const refusal = await readJson(piped('canary'), '-').catch((error: unknown) => error);
  expect(refusal).toMatchObject(unusable);
  expect(String(refusal)).not.toContain('canary');
  expect(refusal).not.toHaveProperty('cause');
  await expect(readJson(piped('{"a": 1,\n canary}'), '-')).rejects.toMatchObject({
    ...unusable,
    message: 'standard input is not valid JSON: see line 2 column 2',
  });
});

test.each([
  ['that are whole are read', (pem: string) => `of the plant\n${pem}${pem}`, undefined],
  ['where there are none', () => 'canary', unusable],
  ['of which one is damaged', (pem: string) => pem + pem.replace(/MII/, 'canary'), unusable],
  ['of which one is cut off', (pem: string) => pem + pem.slice(0, -30), unusable],
])('[AX-16] certificates %s', async (_, fileFrom, refusal) => {
  const file = fileFrom((await selfSigned()).chain);
  const outcome = await readCertificates(piped(file), '-').catch((error: unknown) => error);
  if (refusal === undefined) expect(outcome).toBe(file);
  else expect(outcome).toMatchObject(refusal);
  expect(String(outcome)).not.toContain('canary');
});
