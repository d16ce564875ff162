import type { BundleEntry, BundlePart } from '@sallyport/contract';
import { sealBundlePart } from '@sallyport/crypto/bundle';
import type { BundlePayload } from '@sallyport/crypto/bundle-payload';
import { openStoredDeliveryKey } from '../delivery-keys/index.ts';
import { Keyring } from '../keyrings/index.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import { secretValueField } from '../secrets/index.ts';
import type { Trust } from '../trust/index.ts';
import {
  getGroupState,
  keepBundle,
  listContentPlugins,
  listContentSecrets,
  type GroupState,
} from './delivery.store.ts';

type Content = { entry: BundleEntry; part: BundlePart; value: Uint8Array };
export type BuiltState = Required<GroupState>;

/**
 * The group's current revision as a bundle: taken from the database when a replica has built it already,
 * otherwise built from one snapshot and kept there for all.
 */
export async function buildBundle(
  platform: Platform,
  trust: Trust,
  groupId: string,
): Promise<BuiltState> {
  const { db, metrics } = platform;
  const state = await db.read((reader) => getGroupState(reader, groupId));
  if (state.bundle !== undefined) return { ...state, bundle: state.bundle };
  const endTimer = metrics.bundleSeconds.startTimer();
  const sealed = await db.snapshot(async (tx) => sealCurrent(tx, platform, trust, groupId));
  const createdAt = new Date(platform.clock.now());
  const { revision, epoch, bundle } = sealed;
  const kept = await db.transaction((tx) =>
    keepBundle(tx, { groupId, revision, epoch, ...bundle, createdAt }),
  );
  metrics.bundlesBuilt.inc();
  endTimer();
  return { ...sealed, bundle: kept };
}

async function sealCurrent(
  tx: Db,
  platform: Platform,
  trust: Trust,
  groupId: string,
): Promise<BuiltState> {
  const { revision, epoch, bundle } = await getGroupState(tx, groupId);
  if (bundle !== undefined) return { groupId, revision, epoch, bundle };
  const { delivery, contents } = await Keyring.use(tx, platform, groupId, async (keyring) => ({
    contents: await openContents(tx, keyring, groupId),
    delivery: await openStoredDeliveryKey(tx, keyring, groupId, epoch),
  }));
  const hasLive = contents.some(({ part }) => part === 'live');
  const issuedAt = new Date(platform.clock.now()).toISOString();
  const sealPart = async (part: BundlePart) => {
    const own = contents.filter((content) => content.part === part);
    const payload: BundlePayload = {
      manifest: {
        part,
        group: groupId,
        revision,
        epoch,
        issuedAt,
        hasLive,
        entries: own.map(({ entry }) => entry),
      },
      values: own.map(({ value }) => value),
    };
    return sealBundlePart(payload, trust.signingKeys.signer, delivery);
  };
  try {
    return {
      groupId,
      revision,
      epoch,
      bundle: { durable: await sealPart('durable'), live: hasLive ? await sealPart('live') : null },
    };
  } finally {
    for (const { value } of contents) value.fill(0);
    delivery.key.fill(0);
  }
}

async function openContents(tx: Db, keyring: Keyring, groupId: string): Promise<Content[]> {
  const secrets = await listContentSecrets(tx, groupId);
  const plugins = await listContentPlugins(tx, groupId);
  const opened = secrets.map((row): Content => {
    const value = keyring.open(secretValueField(row.versionId), row);
    const entry = {
      kind: 'secret',
      name: row.name,
      version: row.version,
      length: value.byteLength,
    } as const;
    return { entry, part: row.offline === 'allow' ? 'durable' : 'live', value };
  });
  const configs = plugins.map(({ name, version, config }): Content => {
    const value = Buffer.from(JSON.stringify(config), 'utf8');
    return {
      entry: { kind: 'plugin', name, version, length: value.byteLength },
      part: 'durable',
      value,
    };
  });
  return [...opened, ...configs];
}
