import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startProcess } from '@sallyport/testkit/process';
import type { TempDirectory } from '@sallyport/testkit/temp';
import { readValues } from '../src/dev/values-file.ts';
import { runAgent } from './run-agent.ts';
import { homeWithCertificate, valuesFile } from './running-dev.ts';

let home: TempDirectory;
beforeAll(async () => {
  home = await homeWithCertificate('dev-values');
});
afterAll(() => home.remove());

describe('[SG-45] a values file', () => {
  const refused = async (path: string) => {
    const socket = join(home.path, 'never.sock');
    const marker = join(home.path, 'started');
    const outcome = await runAgent([
      'dev',
      '--values',
      path,
      '--socket',
      socket,
      '--',
      'touch',
      marker,
    ]);
    for (const none of [socket, marker])
      await expect(access(none)).rejects.toMatchObject({ code: 'ENOENT' });
    return outcome;
  };

  test.each([
    ['with an unknown key', 'secrets: { a: canary }\nsecret: {}', 'secret (F): unknown key'],
    [
      'with an unknown key in an entry',
      'secrets: { a: { valeu: canary } }',
      'secrets.a.valeu (F): unknown key',
    ],
    [
      'with a number for a secret',
      'secrets: { pin: 1234567 }',
      'secrets.pin.value (F): expected text, in quotes',
    ],
    [
      'with a text for a configuration',
      'config: { web: canary }',
      'config.web (F): expected keys and values',
    ],
    [
      'with a bad name',
      'secrets: { "a b": canary }',
      'a key of secrets on line 1 (F): use letters',
    ],
    [
      'with no space after the colon of a secret',
      'secrets:\n  { db/password:canary }',
      'F, line 2, column 5: a key without a colon; in { }',
    ],
    [
      'with no space after the colon in an entry',
      'secrets: { a: { value:canary } }',
      'F, line 1, column 17: a key without a colon; in { }',
    ],
    [
      'with a comma in a secret, bare',
      'secrets: { a: correct,canary }',
      'F, line 1, column 23: a key without a colon; in { }',
    ],
    [
      'with a comma in the value of an entry, bare',
      'secrets: { a: { value: correct,canary, lease: { ttlSeconds: 9 } } }',
      'F, line 1, column 32: a key without a colon; in { }',
    ],
    [
      'with no space after the colon of a section',
      '{ config:canary }',
      'F, line 1, column 3: a key without a colon; in { }',
    ],
    [
      'with no space after the colon of a configuration',
      'config: { web:canary }',
      'F, line 1, column 11: a key without a colon; in { }',
    ],
    [
      'with no space after the colon of a section, on a line of its own',
      '? config:canary',
      'a key on line 1 (F): unknown key',
    ],
    [
      'with no space deep in a configuration',
      'config: { web: { "port:canary": .inf } }',
      'config.web (F): use numbers',
    ],
    [
      'with a list for a key',
      'secrets: { ? [canary, a] : b }',
      'F, line 1, column 14: not valid YAML (NON_STRING_KEY)',
    ],
    [
      'with __proto__ for a name',
      'secrets: { __proto__: canary, a: b }',
      'F, line 1, column 12: __proto__ cannot be a key',
    ],
    [
      'with __proto__ in a configuration',
      'config: { web: { a: [{ __proto__: { port: canary } }] } }',
      'F, line 1, column 24: __proto__ cannot be a key',
    ],
    [
      'with bytes for a secret',
      'secrets: { a: !!binary Y2FuYXJ5 }',
      'F, line 1, column 15: not valid YAML (TAG_RESOLVE_FAILED)',
    ],
    [
      'with bytes for a secret, in a YAML of old',
      '%YAML 1.1\n---\nsecrets: { a: !!binary Y2FuYXJ5 }',
      'F, line 3, column 15: not valid YAML (TAG_RESOLVE_FAILED)',
    ],
    [
      'with a configuration that is in itself',
      'config: { web: &web { host: canary, ports: [8080, *web] } }',
      'config.web.ports[1] (F): an alias to what it is in; take it out',
    ],
    [
      'that is in itself, under a key that is no name',
      'config: { web: &web { "a canary": *web } }',
      'a key of config.web on line 1 (F): an alias to what it is in; take it out',
    ],
    [
      'with a certificate that is larger than its size tells',
      'certificates: { a: { chainFile: /proc/self/smaps, keyFile: web.key } }',
      'certificates.a.chainFile (F): the file is larger than 65536 bytes',
    ],
    [
      'with a key in the place of its file',
      'certificates: { a: { chainFile: web.key, keyFile: "-----BEGIN canary" } }',
      'certificates.a.keyFile (F): the file cannot be read (ENOENT)',
    ],
    [
      'with a secret twice',
      'secrets: { a: canary, a: canary }',
      'F, line 1, column 23: not valid YAML (DUPLICATE_KEY)',
    ],
    [
      'with a value and a reference',
      'secrets: { a: { value: canary, reference: env://canary } }',
      'secrets.a (F): give either',
    ],
    [
      'with a reference that is lent out',
      'secrets: { a: { reference: env://canary, lease: { ttlSeconds: 9 } } }',
      'secrets.a (F): give either',
    ],
    [
      'with a reference that is none',
      'secrets: { a: { reference: canary } }',
      'secrets.a.reference (F): use vault://',
    ],
    [
      'with a lease beyond its bounds',
      'secrets: { a: { value: canary, lease: { ttlSeconds: 9, maxTtlSeconds: 8 } } }',
      'secrets.a.lease.maxTtlSeconds (F): may not be less',
    ],
    [
      'with a certificate that is not there',
      'certificates: { a: { chainFile: none, keyFile: web.key } }',
      'certificates.a.chainFile (F): the file cannot be read (ENOENT)',
    ],
    [
      'with a certificate that is none',
      'certificates: { a: { chainFile: web.key, keyFile: web.key } }',
      'certificates.a.chainFile (F): The chain holds something',
    ],
    [
      'that is no YAML',
      'secrets: { a: "canary',
      'F, line 1, column 22: not valid YAML (MISSING_CHAR)',
    ],
    ['that is a text', 'canary', 'the values (F): expected keys and values'],
    ['that is empty', '', 'F has no values in it'],
  ])('%s is one error without a value, and serves nothing', async (_, yaml, told) => {
    const path = await valuesFile(home, yaml);
    const { code, stdout, stderr } = await refused(path);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^sallyport-agent: [^\n]*\n$/);
    expect(stderr.replace(path, 'F')).toContain(`sallyport-agent: ${told}`);
    expect(stderr).not.toMatch(/canary|1234567/);
  });

  test.each([
    ['that is not there', 'none.yaml', 'cannot be read (ENOENT)'],
    ['that is a folder', '.', 'is no regular file'],
    ['that is larger than a group', 'large.yaml', 'is larger than 8388608 bytes'],
    ['that is not UTF-8', 'latin.yaml', 'is not UTF-8 text'],
  ])('%s is refused', async (_, name, told) => {
    await writeFile(join(home.path, 'large.yaml'), Buffer.alloc(8 * 1024 * 1024 + 1, '#'));
    await writeFile(join(home.path, 'latin.yaml'), Buffer.from('secrets: { a: ä }', 'latin1'));
    const path = join(home.path, name);
    const { code, stderr } = await refused(path);
    expect({ code, stderr }).toEqual({ code: 2, stderr: `sallyport-agent: ${path} ${told}\n` });
  });

  test('that is a pipe is refused, and not waited for', async () => {
    const path = join(home.path, 'pipe');
    await startProcess({ command: ['mkfifo', path] }).exited;
    expect(await refused(path)).toMatchObject({
      code: 2,
      stderr: `sallyport-agent: ${path} is no regular file\n`,
    });
  });
});

describe('[SG-45] what a values file may hold', () => {
  const yaml = (copies: number, letters: number) =>
    `config: { a: { t: &t ${'x'.repeat(letters)} }, b: { l: [${'*t, '.repeat(copies)}] } }\n`;
  const tooLarge = [expect.stringMatching(/holds more than 8388608 bytes/)];

  test('is what a group may hold, however short it is written', async () => {
    const fits = await readValues(await valuesFile(home, yaml(79, 104_700)));
    expect(fits.problems).toEqual([]);
    const { problems, contents } = await readValues(await valuesFile(home, yaml(80, 104_900)));
    expect({ problems, contents }).toEqual({ problems: tooLarge, contents: [] });
  });

  test('counts in the form in which it is kept', async () => {
    const quotes = `config: { a: { t: '${'"'.repeat(5_000_000)}' } }`;
    expect((await readValues(await valuesFile(home, quotes))).problems).toEqual(tooLarge);
    const names = Array.from({ length: 90_000 }, (_, index) => `  n${index}: v\n`).join('');
    const { problems } = await readValues(await valuesFile(home, `secrets:\n${names}`));
    expect(problems).toEqual(tooLarge);
  });

  test('counts certificates too', async () => {
    const path = await valuesFile(
      home,
      `${yaml(79, 104_840)}certificates: { web: { chainFile: web.pem, keyFile: web.key } }`,
    );
    expect((await readValues(path)).problems).toEqual(tooLarge);
    await writeFile(path, yaml(79, 104_840));
    expect((await readValues(path)).problems).toEqual([]);
  });
});
