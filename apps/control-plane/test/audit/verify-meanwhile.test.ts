import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { purgeSubject } from '../../src/audit/chain.store.ts';
import { dropSegment } from '../../src/audit/checkpoints.store.ts';
import { exportAudit } from '../../src/audit/export-chain.ts';
import {
  appendAuditEvent,
  openAuditKeys,
  signHead,
  type AuditKeys,
} from '../../src/audit/index.ts';
import { verifyAudit } from '../../src/audit/verify-chain.ts';
import { Operation } from '../../src/authorization/index.ts';
import type { Platform } from '../../src/platform/platform.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';
import { act, op, placeAll } from './chain.ts';
import { DatabaseWithMeanwhile } from './meanwhile.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

const auditor = new Operation(
  {
    kind: 'operator',
    id: '01890a5d-ac96-774b-bcce-b302099a8057',
    name: 'ann',
    grants: [{ role: 'owner', groupId: null }],
    expiresAt: new Date(0),
  },
  'r',
  '192.0.2.1',
);

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let db: DatabaseWithMeanwhile;
let platform: Platform;
let keys: AuditKeys;
let databaseUrl: string;
beforeEach(async () => {
  // The database's own clock has its say in what is old.
  controlPlane = await startControlPlane({
    startMs: Date.now() - 200 * DAY_MS,
    settings: WITHOUT_WORKER,
  });
  ({ databaseUrl } = controlPlane);
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  db = new DatabaseWithMeanwhile({ connectionString: databaseUrl });
  platform = { ...controlPlane.platform, db };
  keys = await openAuditKeys(platform);
  await addGroups('a', 'b');
  await placeAll(controlPlane);
});
afterEach(async () => {
  await db.close();
  await controlPlane.end();
});

async function addGroups(...names: string[]): Promise<void> {
  for (const name of names)
    expect((await owner.call('POST', '/groups', { name })).status).toBe(201);
}

const verify = () => verifyAudit(platform, keys, auditor);

describe('[F-19] the verifier does not take for a break', () => {
  test('what is appended and signed after it has read the last link', async () => {
    db.meanwhile('audit-checkpoints-read', async () => {
      await addGroups('c');
      await placeAll(controlPlane);
      expect(await signHead(controlPlane.platform, keys)).toMatchObject({ size: 5 });
    });
    expect(await verify()).toMatchObject({ intact: true, size: 4, break: null });
    expect(await verify()).toMatchObject({ intact: true, size: 5, checkpoints: 1 });
  });

  test('[AT-21] what retention drops while it reads, one segment after another', async () => {
    for (const name of ['c', 'd']) {
      await signHead(platform, keys);
      await addGroups(name);
      await placeAll(controlPlane);
    }
    db.meanwhile('audit-links-read', async () => {
      await drop(4);
      db.meanwhile('audit-links-read', () => drop(5));
    });
    expect(await verify()).toMatchObject({ intact: true, base: 5, break: null });
  });

  test('events that come without end, each of which gets its place', async () => {
    await addGroups('c');
    atEachLook(30, async (look) => {
      await placeAll(controlPlane);
      if (look < 30) await addGroups(`more-${look}`);
    });
    expect(await verify()).toMatchObject({ intact: true, break: null });
  });

  test('an event that waits for another replica to take over', async () => {
    await addGroups('c');
    atEachLook(30, async (look) => {
      if (look === 30) await placeAll(controlPlane);
    });
    expect(await verify()).toMatchObject({ intact: true, break: null });
  });
});

test('[AT-21] an export whose beginning retention drops is broken off, since the rest would look like a cut', async () => {
  await signHead(platform, keys);
  await addGroups('c');
  await placeAll(controlPlane);
  const lines = await exportAudit(platform, keys, auditor, {});
  db.meanwhile('audit-links-read', () => drop(4));
  await expect(Array.fromAsync(lines)).rejects.toThrow('retention dropped');
  const whole = await Array.fromAsync(await exportAudit(platform, keys, auditor, {}));
  expect(whole[0]).toContain('{"base":{"position":4,');
});

describe('[AT-21] an export begins with what is kept, when retention drops meanwhile', () => {
  beforeEach(async () => {
    for (const name of ['c', 'd', 'e']) {
      await signHead(platform, keys);
      await addGroups(name);
      await placeAll(controlPlane);
    }
  });
  const baseOf = async (from?: number) =>
    (await (await exportAudit(platform, keys, auditor, { from })).next()).value;

  test('what it was to begin with', async () => {
    await drop(4);
    await signHead(platform, keys);
    await addGroups('f');
    await placeAll(controlPlane);
    // That the first segment was dropped is recorded in the second, at position 8.
    db.meanwhile('audit-base-recorded', () => drop(8));
    expect(await baseOf()).toContain('{"base":{"position":8,');
  });

  test('the position from which it was asked for', async () => {
    db.meanwhile('audit-link', () => drop(4));
    expect(await baseOf(3)).toContain('{"base":{"position":4,');
  });
});

/** Does what retention does with a segment. */
async function drop(upTo: number): Promise<void> {
  const { db: other, clock } = controlPlane.platform;
  await other.transaction(async (tx) => {
    await dropSegment(tx, upTo, new Date(Date.now() - 31 * DAY_MS));
    const purge = { ...act, action: 'audit:purge', subject: purgeSubject(upTo) } as const;
    await appendAuditEvent(tx, op, purge, clock.now());
  });
  await placeAll(controlPlane);
}

/** Each time that it is about to look for an event without a place, a tenth of a second after the last. */
function atEachLook(times: number, work: (look: number) => Promise<unknown>): void {
  let look = 0;
  const next = async () => {
    look += 1;
    await work(look);
    if (look < times) db.meanwhile('audit-unplaced', next);
  };
  db.meanwhile('audit-unplaced', next);
}
