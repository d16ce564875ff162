import { z } from 'zod';
import { instant, resourceName, uuid } from '../names.ts';

/** The longest reply that an agent reads, in bytes: room for the bundle of the largest group. */
export const MAX_REPLY_BYTES = 16 * 1024 * 1024;

/** What a group's values and their names may take together, in bytes; a bundle is 16/9 of it, base64 twice. */
export const MAX_GROUP_BYTES = 8 * 1024 * 1024;

/** Besides its name, what an entry takes of a bundle's manifest at most, in bytes. It counts towards the group. */
export const ENTRY_BYTES = 96;

/**
 * A revision as bytes: each part a compact JWE around a compact JWS. `durable` may be kept on disk
 * exactly as received; `live` is for memory only and absent when the group has nothing of the kind.
 */
export const bundle = z.strictObject({ durable: z.string(), live: z.string().optional() });
export type Bundle = z.infer<typeof bundle>;

const bundlePart = z.enum(['durable', 'live']);
export type BundlePart = z.infer<typeof bundlePart>;

const entry = { name: resourceName, version: z.int().min(1), length: z.int().min(0) };

/**
 * One value of a part; `length` is its size in bytes, values follow each other in this order. The value of a
 * `reference` is its URI: programs ask for it as a secret, and the agent finds that secret's value where it says.
 */
const bundleEntry = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('secret'), ...entry }),
  z.strictObject({ kind: z.literal('plugin'), ...entry }),
  z.strictObject({ kind: z.literal('certificate'), ...entry }),
  z.strictObject({ kind: z.literal('reference'), ...entry }),
]);
export type BundleEntry = z.infer<typeof bundleEntry>;

/** A certificate's value, as JSON: chain, leaf first, and key (PKCS#8), both in PEM. */
export type CertificateValue = { chain: string; key: string };

/** The oldest agent protocol that can read a bundle with certificates in it. */
export const CERTIFICATES_PROTOCOL = 2;

/** The oldest agent protocol that can read a bundle with references in it. */
export const REFERENCES_PROTOCOL = 5;

/** What is signed beside the values. The durable part says whether a live one belongs to it. */
export const bundleManifest = z.strictObject({
  part: bundlePart,
  group: uuid,
  revision: z.int().min(1),
  epoch: z.int().min(1),
  issuedAt: instant,
  hasLive: z.boolean(),
  entries: z.array(bundleEntry),
});
export type BundleManifest = z.infer<typeof bundleManifest>;
