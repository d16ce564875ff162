import { z } from 'zod';
import { agentName, instant, uuid } from '../names.ts';
import { trustAnchors } from './certificate.ts';
import { agentFacts, joinedGroup } from './enroll.ts';
import { encryptionPublicKey, signingPublicKey, verificationKeys } from './public-keys.ts';

/** The longest bundle that is carried to a host by hand, in bytes: room for the largest group, base64 thrice. */
export const MAX_OFFLINE_BUNDLE_BYTES = 20 * 1024 * 1024;

/** The longest time for which a bundle may be exported, in days. */
export const MAX_OFFLINE_DAYS = 365;

/**
 * What a host without a network asks to be admitted with: a file that is carried to an operator. `proof` is signed by
 * `signingKey` over the name and the thumbprints of both keys. It names no time, as it may travel for weeks.
 */
export const admissionRequest = z.strictObject({
  format: z.literal(1),
  name: agentName,
  signingKey: signingPublicKey,
  encryptionKey: encryptionPublicKey,
  facts: agentFacts,
  proof: z.string().max(4096),
});
export type AdmissionRequest = z.infer<typeof admissionRequest>;

/**
 * What the control plane signs for one agent that never reaches it: who the agent is and whom it is to trust, and the
 * part of its group's revision that may be kept on disk, sealed as it is for every agent of the group. `deliveryKey`
 * opens with that agent's key alone. Nothing else in it is secret.
 */
export const offlineBundle = z.strictObject({
  format: z.literal(1),
  agentId: uuid,
  name: agentName,
  group: joinedGroup,
  controlPlane: z.url({ protocol: /^https$/ }),
  trustAnchors,
  verificationKeys,
  revision: z.int().min(1),
  epoch: z.int().min(1),
  issuedAt: instant,
  expiresAt: instant,
  deliveryKey: z.string(),
  durable: z.string(),
});
export type OfflineBundle = z.infer<typeof offlineBundle>;
