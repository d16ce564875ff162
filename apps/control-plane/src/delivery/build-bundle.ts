import {
  CERTIFICATES_PROTOCOL,
  MAX_INLINE_BUNDLE_BYTES,
  OLDEST_PROTOCOL,
  REFERENCES_PROTOCOL,
  type Bundle,
  type BundleEntry,
  type BundlePart,
} from '@sallyport/contract';
import { sealBundlePart } from '@sallyport/crypto/bundle';
import type { BundlePayload } from '@sallyport/crypto/bundle-payload';
import type { DeliveryKey } from '@sallyport/crypto/delivery-key';
import { encodeFilled } from '@sallyport/crypto/masked-fields';
import { certificateField } from '../certificates/index.ts';
import { openDeliveryKey } from '../delivery-keys/index.ts';
import { Keyring } from '../keyrings/index.ts';
import type { Platform } from '../platform/platform.ts';
import { offlineOf, openFields, zero } from '../plugins/index.ts';
import { secretValueField } from '../secrets/index.ts';
import type { Trust } from '../trust/index.ts';
import {
  keepBundle,
  readContent,
  type ContentCertificate,
  type ContentPlugin,
  type ContentSecret,
  type GroupContent,
  type KeptBundle,
} from './delivery.store.ts';

/**
 * A group's current revision as bytes; `isLarge`: too large for a reply, so agents fetch it by its path.
 * `protocol` is the oldest that can read it.
 */
export type BuiltRevision = {
  protocol: number;
  revision: number;
  epoch: number;
  bundle: Bundle;
  isLarge: boolean;
};

type Content = { entry: BundleEntry; part: BundlePart; value: Uint8Array };
type Stamp = Pick<BundlePayload['manifest'], 'group' | 'revision' | 'epoch' | 'issuedAt'>;

/**
 * Builds the bundle of a group's current revision. A large one is kept in the database before anyone is
 * told of it, since any replica may be asked for it; the first replica's is the one that counts.
 */
export async function buildBundle(
  platform: Platform,
  trust: Trust,
  groupId: string,
): Promise<BuiltRevision> {
  const { db, metrics, clock } = platform;
  const content = await db.read((reader) => readContent(reader, groupId));
  const { revision, epoch } = content;
  const protocol = oldestProtocolFor(content);
  if (content.kept !== undefined)
    return { protocol, revision, epoch, bundle: bundleOf(content.kept), isLarge: true };
  const endTimer = metrics.bundleSeconds.startTimer();
  const createdAt = new Date(clock.now());
  const stamp = { group: groupId, revision, epoch, issuedAt: createdAt.toISOString() };
  const sealed = await sealContent(platform, trust, stamp, content);
  metrics.bundlesBuilt.inc();
  endTimer();
  const bytes = sealed.durable.length + (sealed.live?.length ?? 0);
  if (bytes <= MAX_INLINE_BUNDLE_BYTES)
    return { protocol, revision, epoch, bundle: bundleOf(sealed), isLarge: false };
  const kept = await db.transaction((tx) =>
    keepBundle(tx, { groupId, revision, epoch, ...sealed, createdAt }),
  );
  return { protocol, revision, epoch, bundle: bundleOf(kept), isLarge: true };
}

function oldestProtocolFor({ hasReferences, hasCertificates }: GroupContent): number {
  if (hasReferences) return REFERENCES_PROTOCOL;
  return hasCertificates ? CERTIFICATES_PROTOCOL : OLDEST_PROTOCOL;
}

async function sealContent(
  platform: Platform,
  trust: Trust,
  stamp: Stamp,
  { secrets, plugins, certificates, keyring: wrapped, deliveryKey }: GroupContent,
): Promise<KeptBundle> {
  const { group, epoch } = stamp;
  const { contents, delivery } = await Keyring.lend(platform, group, wrapped, async (keyring) => ({
    delivery: openDeliveryKey(keyring, group, epoch, deliveryKey),
    contents: [
      ...openSecrets(keyring, secrets),
      ...encodePlugins(keyring, group, plugins),
      ...openCertificates(keyring, certificates),
    ],
  }));
  const hasLive = contents.some(({ part }) => part === 'live');
  const seal = (part: BundlePart) =>
    sealPart(part, { ...stamp, hasLive }, contents, delivery, trust);
  try {
    return { durable: await seal('durable'), live: hasLive ? await seal('live') : null };
  } finally {
    for (const { value } of contents) value.fill(0);
    delivery.key.fill(0);
  }
}

async function sealPart(
  part: BundlePart,
  stamp: Stamp & { hasLive: boolean },
  contents: Content[],
  delivery: DeliveryKey,
  trust: Trust,
): Promise<string> {
  const own = contents.filter((content) => content.part === part);
  const manifest = { part, ...stamp, entries: own.map(({ entry }) => entry) };
  const values = own.map(({ value }) => value);
  return sealBundlePart({ manifest, values }, trust.signingKeys.signer, delivery);
}

function openSecrets(keyring: Keyring, secrets: ContentSecret[]): Content[] {
  return secrets.map((secret) => {
    const { name, version, offline, versionId } = secret;
    const value = keyring.open(secretValueField(versionId), secret);
    const kind = secret.kind === 'reference' ? 'reference' : 'secret';
    const entry: BundleEntry = { kind, name, version, length: value.byteLength };
    return { entry, part: offline === 'allow' ? 'durable' : 'live', value };
  });
}

function openCertificates(keyring: Keyring, certificates: ContentCertificate[]): Content[] {
  return certificates.map((certificate) => {
    const { name, version, offline, bodyId } = certificate;
    const value = keyring.open(certificateField(bodyId), certificate);
    const entry = { kind: 'certificate', name, version, length: value.byteLength } as const;
    return { entry, part: offline === 'allow' ? 'durable' : 'live', value };
  });
}

function encodePlugins(keyring: Keyring, groupId: string, plugins: ContentPlugin[]): Content[] {
  return plugins.map((plugin) => {
    const { name, version, fields } = plugin;
    const offline = offlineOf(plugin.offline, fields.length);
    const value = encodePlugin(keyring, groupId, plugin);
    const entry = { kind: 'plugin', name, version, length: value.byteLength } as const;
    return { entry, part: offline === 'allow' ? 'durable' : 'live', value };
  });
}

function encodePlugin(
  keyring: Keyring,
  groupId: string,
  { id, config, fields }: ContentPlugin,
): Buffer {
  const opened = openFields(keyring, { pluginId: id, groupId }, fields);
  try {
    return encodeFilled(config, opened);
  } finally {
    zero(opened);
  }
}

function bundleOf({ durable, live }: KeptBundle): Bundle {
  return { durable, ...(live === null ? {} : { live }) };
}
