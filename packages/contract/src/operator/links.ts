import { z } from 'zod';
import { linkAddress } from '../link-address.ts';
import { instant, linkName, uuid } from '../names.ts';

/** SHA-256 of a certificate, in hexadecimal, with or without colons and the prefix. */
const fingerprint = z
  .string()
  .regex(
    /^(?:sha256:)?(?:[0-9a-f]{2}(?::[0-9a-f]{2}){31}|[0-9a-f]{64})$/i,
    'use SHA256: and 64 hexadecimal digits, with or without colons',
  );

/**
 * `POST /api/v1/groups/:group/links`. Without `agentFingerprint` the agent's certificate must be from a CA of
 * the control plane's `dialer.truststore`.
 */
export const createLinkBody = z.strictObject({
  name: linkName,
  address: linkAddress,
  agentFingerprint: fingerprint.optional(),
});
export type CreateLinkBody = z.infer<typeof createLinkBody>;

/** Why a link's connections fail, and since when for this reason. */
const linkError = z.strictObject({ code: z.string(), message: z.string(), since: instant });

/** What was negotiated by a connection, and the SHA-256 fingerprints of both certificates, to be compared with the agent’s own. */
export const seenOnLink = z.strictObject({
  protocol: z.string(),
  /** By its IANA name. */
  cipher: z.string(),
  group: z.string().nullable(),
  isWeak: z.boolean(),
  agentFingerprint: z.string().nullable(),
  controlPlaneFingerprint: z.string().nullable(),
});
export type SeenOnLink = z.infer<typeof seenOnLink>;

/** A link by which the control plane dials an agent, and how that goes. */
export const link = z.strictObject({
  id: uuid,
  name: linkName,
  address: z.string(),
  /** `SHA256:AA:BB:…` */
  agentFingerprint: z.string().nullable(),
  createdBy: z.string(),
  createdAt: instant,
  /** While the agent uses the link; null when it does not. */
  connectedSince: instant.nullable(),
  lastError: linkError.nullable(),
  /** The agent of this group that used the link last. */
  agentId: uuid.nullable(),
  /** Of the newest connection; null before the first. */
  seen: seenOnLink.nullable(),
});
export type Link = z.infer<typeof link>;
