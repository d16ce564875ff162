import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { writeNewFile } from './new-file.ts';

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sallyport-new-file-'));
  file = join(directory, 'export.jsonl');
});
afterEach(() => rm(directory, { recursive: true }));
afterAll(expectNoLeftovers);

const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
const unusable = () => ({ code: 'input.unusable', message: `${file} cannot be written (ENOSPC)` });

/** Writes half of the file and waits for the rest, which never comes. */
const waiting = `
  const { writeNewFile } = await import(process.argv[1]);
  await writeNewFile(process.argv[2], (into) => new Promise(() => {
    into.write('half', () => console.log('waiting'));
    setInterval(() => {}, 60_000);
  }));`;

/** Ends a stream as a full disk does: whoever writes to it hears of it, and it is closed. */
async function fill(into: Writable): Promise<void> {
  const closed = new Promise((resolve) => into.once('close', resolve));
  into.once('error', () => {});
  into.destroy(full);
  await closed;
}

async function gone(): Promise<void> {
  await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
}

describe('a new file', () => {
  test('is not made for -, and nothing is asked for', async () => {
    const asked: Writable[] = [];
    const written = writeNewFile('-', async (into) => asked.push(into));
    await expect(written).rejects.toMatchObject({ message: expect.stringMatching(/name a new/) });
    expect(asked).toEqual([]);
    await expect(stat('-')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('holds what came, for its owner alone', async () => {
    const { bytes, made } = await writeNewFile(file, async (into) => into.write('all of it'));
    expect([bytes, made, await readFile(file, 'utf8')]).toEqual([9, true, 'all of it']);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test('is not left behind when the disk is full, whether who writes says so or not', async () => {
    const said = async (into: Writable) => {
      await fill(into);
      throw new Error('the connection broke');
    };
    await expect(writeNewFile(file, said)).rejects.toMatchObject(unusable());
    await gone();
    await expect(writeNewFile(file, fill)).rejects.toMatchObject(unusable());
    await gone();
  });

  test('is not left behind when only half of it came', async () => {
    const broken = new Error('the connection broke');
    const half = async (into: Writable) => {
      into.write('half');
      throw broken;
    };
    await expect(writeNewFile(file, half)).rejects.toBe(broken);
    await gone();
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)(
    'is not left behind by %s, which ends the program as before',
    async (signal) => {
      const module = import.meta.resolve('./new-file.ts');
      const evaluate = ['--input-type=module', '--eval', waiting, '--', module, file];
      const writing = startProcess({ command: [process.execPath, ...evaluate], cwd: directory });
      await writing.waitForLine(/^waiting$/);
      expect(await readFile(file, 'utf8')).toBe('half');
      writing.kill(signal);
      expect(await writing.exited).toEqual({ code: null, signal });
      await gone();
    },
  );

  test('that is made, or failed, is left alone by signals', async () => {
    const before = process.listenerCount('SIGINT');
    await writeNewFile(file, async () => expect(process.listenerCount('SIGINT')).toBe(before + 1));
    await expect(writeNewFile(file, async () => {})).rejects.toThrow('is there already');
    await expect(writeNewFile(`${file}.2`, fill)).rejects.toThrow('ENOSPC');
    expect(process.listenerCount('SIGINT')).toBe(before);
  });

  test('is not made where there is one, which stays as it is, and nothing is asked for it', async () => {
    await writeFile(file, 'before');
    const write = async () => {
      throw new Error('asked');
    };
    await expect(writeNewFile(file, write)).rejects.toMatchObject({
      code: 'input.unusable',
      message: `${file} is there already; choose another name or remove it`,
    });
    await expect(writeNewFile(join(directory, 'no', 'x'), write)).rejects.toMatchObject({
      message: expect.stringMatching(/\/no\/x cannot be made \(ENOENT\)/),
    });
    expect(await readFile(file, 'utf8')).toBe('before');
  });
});
