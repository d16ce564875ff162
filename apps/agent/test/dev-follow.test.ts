import { appendFile, chmod, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { TempDirectory } from '@sallyport/testkit/temp';
import { ValuesFollower } from '../src/dev/values-follower.ts';
import { silentLog, type LogFields } from '../src/log.ts';
import { homeWithCertificate, valuesFile } from './running-dev.ts';

let home: TempDirectory;
beforeAll(async () => {
  home = await homeWithCertificate('dev-follow');
});
afterAll(() => home.remove());

describe('[SG-45] who follows a values file', () => {
  const following = async (yaml: string) => {
    const path = await valuesFile(home, yaml);
    const told: LogFields[] = [];
    const log = { ...silentLog, error: (fields: LogFields) => void told.push(fields) };
    const taken: string[][] = [];
    const replace = (contents: readonly { value: string }[]) =>
      void taken.push(contents.map(({ value }) => value));
    const follower = new ValuesFollower(path, { replace }, log);
    const looks = async (times: number) => {
      for (let time = 0; time < times; time += 1) await follower.look();
    };
    return { path, told, taken, follower, looks };
  };

  test('tells once why it is not taken, and anew when it was taken meanwhile', async () => {
    const { path, told, taken, follower, looks } = await following('secrets: { pin: 1234567 }');
    await looks(4);
    expect(told).toEqual([{ detail: expect.stringContaining('secrets.pin.value') }]);
    expect(follower.problems).toHaveLength(1);
    await writeFile(path, 'secrets: { pin: "1234567" }');
    await looks(2);
    expect({ taken, problems: follower.problems }).toEqual({ taken: [['1234567']], problems: [] });
    await writeFile(path, 'secrets: { pin: 1234567 }');
    await looks(2);
    expect(told).toHaveLength(2);
  });

  test('takes one that is written in place when it is whole', async () => {
    const { path, taken, looks } = await following('secrets: { a: one, b: two }');
    await looks(2);
    await writeFile(path, 'secrets:\n  a: three\n');
    await looks(1);
    await appendFile(path, '  b: four\n');
    await looks(1);
    expect(taken).toEqual([['one', 'two']]);
    await looks(1);
    expect(taken).toEqual([
      ['one', 'two'],
      ['three', 'four'],
    ]);
  });

  test('reads it once, until it or a certificate changes', async () => {
    const { path, taken, looks } = await following(
      'secrets: { a: one }\ncertificates: { web: { chainFile: web.pem, keyFile: web.key } }',
    );
    // The third look is the second at the certificate.
    await looks(3);
    expect(taken).toHaveLength(1);
    await looks(5);
    expect(taken).toHaveLength(1);
    const later = new Date();
    await utimes(join(home.path, 'web.pem'), later, later);
    await looks(2);
    expect(taken).toHaveLength(2);
    await chmod(path, 0o600);
    await looks(2);
    expect(taken).toHaveLength(3);
  });
});
