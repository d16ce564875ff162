import { randomBytes } from 'node:crypto';
import type { Keyring as ShownKeyring } from '@sallyport/contract';
import { KEY_BYTES } from '@sallyport/crypto/envelope';
import { appendAuditEvent } from '../audit/index.ts';
import { systemOperation, type Operation } from '../authorization/index.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import { lockInstallation, sealUnderRoot } from '../trust/index.ts';
import { keyPlace } from './keyring.ts';
import {
  createKeyringVersion,
  endActiveVersion,
  holdGroupName,
  listDueForRotation,
  listKeyringVersions,
  lockActiveVersion,
} from './keyrings.store.ts';
import { countUses } from './sealed-places.store.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** When a keyring gets a new version by itself. */
export type KeyringPolicy = { rotateAfterDays: number; rotateAfterEncryptions: number };

/** Makes the first key of a new group. */
export async function createKeyring(tx: Db, platform: Platform, groupId: string): Promise<void> {
  await addVersion(tx, platform, groupId, 1);
}

/** Gives a group a new key to seal with. What older ones sealed is sealed anew in the background. */
export async function rotateKeyring(
  tx: Db,
  platform: Platform,
  op: Operation,
  group: { id: string; name: string },
): Promise<void> {
  await lockForRotation(tx, group.id);
  const previous = await endActiveVersion(tx, group.id);
  if (previous === undefined) throw new Error('a group has no active key');
  const version = previous + 1;
  await addVersion(tx, platform, group.id, version);
  const act = {
    action: 'keyring:rotate',
    subject: `group:${group.name}`,
    groupId: group.id,
    outcome: 'done',
    details: { version },
  } as const;
  await appendAuditEvent(tx, op, act, platform.clock.now());
}

/** Rotates what is due by policy, each keyring in a transaction of its own. */
export async function rotateDueKeyrings(platform: Platform, policy: KeyringPolicy): Promise<void> {
  const { db, clock } = platform;
  const due = {
    before: new Date(clock.now() - policy.rotateAfterDays * DAY_MS),
    encryptions: policy.rotateAfterEncryptions,
  };
  for (const id of await db.read((reader) => listDueForRotation(reader, due)))
    await db.transaction(async (tx) => {
      const name = await holdGroupName(tx, id);
      if (name === undefined) return;
      await lockForRotation(tx, id);
      // Another replica may have been first.
      if (!(await listDueForRotation(tx, due)).includes(id)) return;
      await rotateKeyring(tx, platform, systemOperation('keyring rotation'), { id, name });
    });
}

/** A group's key versions, newest first, what each has sealed, and how much waits to be sealed anew. */
export async function showKeyring(db: Db, groupId: string): Promise<ShownKeyring> {
  const uses = await countUses(db, groupId);
  const versions = (await listKeyringVersions(db, groupId)).map((row) => ({
    version: row.version,
    state: row.state,
    encryptions: row.encryptions,
    uses: uses.get(row.version) ?? 0,
    createdAt: row.createdAt.toISOString(),
    retiredAt: row.retiredAt?.toISOString() ?? null,
  }));
  const old = versions.filter(({ state }) => state !== 'active');
  return { versions, remaining: old.reduce((sum, version) => sum + version.uses, 0) };
}

/** Locks in the same order as a rotation of the root key: the installation, then the keys of groups. */
async function lockForRotation(tx: Db, groupId: string): Promise<void> {
  await lockInstallation(tx);
  await lockActiveVersion(tx, groupId);
}

async function addVersion(
  tx: Db,
  { rootKeys, clock }: Platform,
  groupId: string,
  version: number,
): Promise<void> {
  const key = randomBytes(KEY_BYTES);
  const wrappedKey = await sealUnderRoot(tx, rootKeys, key, keyPlace(groupId, version));
  key.fill(0);
  await createKeyringVersion(tx, groupId, { version, wrappedKey }, clock.now());
}
