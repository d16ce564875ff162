import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { AgentEvent } from '@sallyport/contract';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import type { Log } from '../log.ts';
import { EventSpool } from './event-spool.ts';

const key = randomBytes(32);
let home: TempDirectory;
let told: { code: string; stack: unknown }[];
let log: Log;
beforeEach(async () => {
  home = await createTempDirectory('spool');
  told = [];
  const tell: Log['error'] = ({ code, stack }) => void told.push({ code: String(code), stack });
  log = { debug: tell, info: tell, warn: tell, error: tell };
});
afterEach(() => home.remove());

const of = (events: AgentEvent[]) => ({ group: 'g', events });
const event = (subject: string): AgentEvent => ({
  at: new Date().toISOString(),
  action: 'agent:start',
  subject,
  outcome: 'done',
  requestId: null,
  application: null,
  count: 1,
  code: null,
  version: null,
});
async function opened(more: { key?: Buffer; maxBytes?: number } = {}): Promise<EventSpool> {
  const spool = new EventSpool(home.path, { key, log, ...more });
  await spool.restore();
  return spool;
}
const folder = () => join(home.path, 'events');

describe('batches of audit events', () => {
  test('come back after a restart, oldest first, under their ids, until they are removed', async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    const spool = await opened();
    await spool.append(first, of([event('one'), event('two')]));
    await spool.append(second, of([event('three')]));
    const again = await opened();
    expect(again.waiting).toBe(2);
    const oldest = await again.oldest();
    expect(oldest).toMatchObject({
      batch: first,
      events: [{ subject: 'one' }, { subject: 'two' }],
    });
    await again.remove(oldest?.name ?? '');
    expect(await again.oldest()).toMatchObject({ batch: second });
    await again.append(randomUUID(), of([event('four')]));
    expect((await readdir(folder())).toSorted()[1]).toMatch(/^000000000003-/);
  });

  test('[SG-14] are no plaintext on disk, and are opened by their agent alone', async () => {
    await (await opened()).append(randomUUID(), of([event('secret:db/canary')]));
    const [name = ''] = await readdir(folder());
    expect(await readFile(join(folder(), name), 'latin1')).not.toContain('canary');
    expect(await (await opened({ key: randomBytes(32) })).oldest()).toBeUndefined();
    expect(await readdir(folder())).toEqual([]);
    expect(told).toHaveLength(1);
  });

  test.each([
    ['cut off', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['overwritten in the middle', (bytes: Buffer) => bytes.fill(0, 40, 44)],
    ['empty', () => Buffer.alloc(0)],
  ])('one that is %s is told and passed over, and the next is not', async (_, damage) => {
    const spool = await opened();
    await spool.append(randomUUID(), of([event('damaged')]));
    await spool.append(randomUUID(), of([event('good')]));
    const path = join(folder(), (await readdir(folder())).toSorted()[0] ?? '');
    await writeFile(path, damage(await readFile(path)));
    expect(await spool.oldest()).toMatchObject({ events: [{ subject: 'good' }] });
    expect(told).toHaveLength(1);
  });

  test('one that was given another’s id does not open', async () => {
    const spool = await opened();
    await spool.append(randomUUID(), of([event('moved')]));
    const [name = ''] = await readdir(folder());
    await rename(join(folder(), name), join(folder(), `000000000001-${randomUUID()}.sealed`));
    expect(await (await opened()).oldest()).toBeUndefined();
  });

  test('take no more room than they may, and have it again when one is removed', async () => {
    const spool = await opened({ maxBytes: 800 });
    const append = () => spool.append(randomUUID(), of([event('x'.repeat(100))]));
    expect([await append(), await append(), await append()]).toEqual(['kept', 'kept', 'full']);
    await spool.remove((await spool.oldest())?.name ?? '');
    expect(await append()).toBe('kept');
  });

  test('wait while the disk does not take them, which is told once, and are taken later', async () => {
    await writeFile(folder(), 'in the way');
    const spool = await opened();
    for (const _ of [1, 2])
      expect(await spool.append(randomUUID(), of([event('a')]))).toBe('later');
    expect(told).toEqual([{ code: 'ENOTDIR', stack: undefined }]);
    await rm(folder());
    expect(await spool.append(randomUUID(), of([event('a')]))).toBe('kept');
  });

  test('are left where they are while they cannot be read, and only then', async () => {
    const spool = await opened();
    await spool.append(randomUUID(), of([event('kept')]));
    const path = join(folder(), (await readdir(folder()))[0] ?? '');
    const sealed = await readFile(path);
    await rm(path);
    await mkdir(path);
    await expect(spool.oldest()).rejects.toMatchObject({ code: 'EISDIR' });
    expect(spool.waiting).toBe(1);
    await rm(path, { recursive: true });
    await writeFile(path, sealed);
    expect(await spool.oldest()).toMatchObject({ events: [{ subject: 'kept' }] });
  });

  test('what a crash left of writing one is removed', async () => {
    await (await opened()).append(randomUUID(), of([event('whole')]));
    await writeFile(join(folder(), '000000000002-half.sealed.tmp'), 'half');
    await opened();
    expect(await readdir(folder())).toHaveLength(1);
  });

  test('go into no directory that others may write to', async () => {
    await mkdir(folder(), { mode: 0o777 });
    await chmod(folder(), 0o777);
    expect(await (await opened()).append(randomUUID(), of([event('a')]))).toBe('later');
  });
});
