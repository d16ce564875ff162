import { execFileSync } from 'node:child_process';
import {
  mkdir,
  mkdtempDisposable,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { StoreFile } from '../src/store-file.ts';
import { readTruststore } from '../src/truststore.ts';
import { PASSWORD, storeFile } from './stores.ts';

const kind = 'truststore';
const two = storeFile('truststore.jks');
const one = storeFile('truststore.pem').subarray(
  0,
  storeFile('truststore.pem').lastIndexOf('-----BEGIN'),
);
const temporary = () => mkdtempDisposable(join(tmpdir(), 'sallyport-store-'));
const read = (bytes: Uint8Array) => readTruststore(bytes, { password: PASSWORD });

test('[BM-21] a file that was written anew is read at the next refresh, and only then', async () => {
  await using folder = await temporary();
  const path = join(folder.path, 'trust');
  await writeFile(path, two);
  const file = await StoreFile.open({ path, kind, read });
  const before = file.store;
  expect(before).toHaveLength(2);
  expect(await file.refresh()).toBe('same');
  expect(file.store).toBe(before);
  await writeFile(path, one);
  expect(file.store).toBe(before);
  expect(await file.refresh()).toBe('replaced');
  expect(file.store).toHaveLength(1);
  expect(await file.refresh()).toBe('same');
});

test('[BM-21] a bad file, or none, keeps the old store, and is told of once', async () => {
  await using folder = await temporary();
  const path = join(folder.path, 'trust');
  await writeFile(path, two);
  const file = await StoreFile.open({ path, kind, read });
  const before = file.store;
  const bad: [change: () => Promise<void>, code: string][] = [
    [() => writeFile(path, two.subarray(0, 500)), 'certificate.keystore_password_wrong'],
    [() => writeFile(path, two.subarray(0, 501)), 'certificate.keystore_password_wrong'],
    [() => writeFile(path, ''), 'keystore.format_unknown'],
    [() => rm(path), 'keystore.unreadable'],
  ];
  for (const [change, code] of bad) {
    await change();
    expect(await file.refresh()).toMatchObject({ code });
    expect(await file.refresh()).toBe('same');
    expect(file.store).toBe(before);
  }
  await writeFile(path, two);
  expect(await file.refresh()).toBe('same');
  await rm(path);
  expect(await file.refresh()).toMatchObject({ code: 'keystore.unreadable' });
  await writeFile(path, one);
  expect(await file.refresh()).toBe('replaced');
});

test('[BM-21] a symbolic link that is swapped, as Kubernetes does, is followed', async () => {
  await using folder = await temporary();
  const at = (name: string) => join(folder.path, name);
  for (const [version, content] of [
    ['..1', two],
    ['..2', one],
  ] as const) {
    await mkdir(at(version));
    await writeFile(join(at(version), 'trust'), content);
  }
  await symlink('..1', at('..data'));
  await symlink(join('..data', 'trust'), at('trust'));
  const file = await StoreFile.open({ path: at('trust'), kind, read });
  expect(file.store).toHaveLength(2);
  await symlink('..2', at('..data_tmp'));
  await rename(at('..data_tmp'), at('..data'));
  expect(await file.refresh()).toBe('replaced');
  expect(file.store).toHaveLength(1);
});

test('[BM-21] a file whose password follows later is taken once it is there', async () => {
  await using folder = await temporary();
  const path = join(folder.path, 'trust');
  await writeFile(path, one);
  let password = 'battery staple';
  const file = await StoreFile.open({
    path,
    kind,
    read: (bytes) => readTruststore(bytes, { password }),
  });
  await writeFile(path, two);
  expect(await file.refresh()).toMatchObject({ code: 'certificate.keystore_password_wrong' });
  expect(await file.refresh()).toBe('same');
  password = PASSWORD;
  expect(await file.refresh()).toBe('replaced');
  expect(file.store).toHaveLength(2);
});

test('whoever asks while the file is looked at gets the answer of that look', async () => {
  await using folder = await temporary();
  const path = join(folder.path, 'trust');
  await writeFile(path, two);
  let looks = 0;
  const counted = (bytes: Uint8Array) => {
    looks += 1;
    return read(bytes);
  };
  const file = await StoreFile.open({ path, kind, read: counted });
  await writeFile(path, one);
  expect(await Promise.all([file.refresh(), file.refresh()])).toEqual(['replaced', 'replaced']);
  expect(looks).toBe(2);
});

test('a file is refused at once when it is too large, is no file, or is not there', async () => {
  await using folder = await temporary();
  const at = (name: string) => join(folder.path, name);
  await writeFile(at('large'), one);
  await truncate(at('large'), 8 * 1_073_741_824);
  await writeFile(at('bad'), 'text');
  execFileSync('sh', ['-c', 'mkfifo "$0"', at('pipe')]);
  for (const [path, code] of [
    [at('large'), 'keystore.too_large'],
    [at('bad'), 'keystore.format_unknown'],
    [at('pipe'), 'keystore.unreadable'],
    [folder.path, 'keystore.unreadable'],
    [at('missing'), 'keystore.unreadable'],
  ] as const)
    expect((await StoreFile.open({ path, kind, read })).refusal).toMatchObject({
      code,
      field: kind,
    });
});
