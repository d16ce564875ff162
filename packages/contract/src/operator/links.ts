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

/** `POST /api/v1/groups/:group/links`. */
export const createLinkBody = z.strictObject({
  name: linkName,
  address: linkAddress.describe('`host:port`; an IPv6 address in brackets'),
  agentFingerprint: fingerprint
    .optional()
    .describe(
      'SHA-256 of the agent’s certificate, as it prints it. Absent: that must be from a CA of the control plane’s `dialer.truststore`',
    ),
});
export type CreateLinkBody = z.infer<typeof createLinkBody>;

const linkError = z.strictObject({
  code: z
    .string()
    .describe('Such as `link.refused` or `tls.fingerprint_mismatch` (`docs/listen.md`)'),
  message: z.string(),
  since: instant.describe('Since when for this reason'),
});

export const seenOnLink = z
  .strictObject({
    protocol: z.string().describe('`TLSv1.3`, `TLSv1.2` and the like'),
    cipher: z.string().describe('The cipher suite, by its IANA name'),
    group: z
      .string()
      .nullable()
      .describe('Of the key exchange, such as `X25519MLKEM768`; null where none was told'),
    isWeak: z
      .boolean()
      .describe('Whether the cipher suite is one of the weak ones (`docs/tls.md`)'),
    agentFingerprint: z.string().nullable().describe('`SHA256:AA:BB:…`; the agent prints it too'),
    controlPlaneFingerprint: z.string().nullable(),
  })
  .describe('What a connection negotiated, and both certificates.');
export type SeenOnLink = z.infer<typeof seenOnLink>;

/** A link by which the control plane dials an agent, and how that goes. */
export const link = z.strictObject({
  id: uuid,
  name: linkName,
  address: z.string(),
  agentFingerprint: z
    .string()
    .nullable()
    .describe('`SHA256:AA:BB:…`, the certificate that it must have; null where a CA decides'),
  createdBy: z.string().describe('Name of the operator or API key'),
  createdAt: instant,
  connectedSince: instant.nullable().describe('Null while the agent does not use the link'),
  lastError: linkError
    .nullable()
    .describe('Why connections fail; null once the agent uses the link'),
  agentId: uuid.nullable().describe('The agent of this group that used the link last'),
  seen: seenOnLink.nullable().describe('Of the newest connection; null before the first'),
});
export type Link = z.infer<typeof link>;
