import { z } from 'zod';
import { instant, resourceName, soughtInstant, uuid } from '../names.ts';
import { pageQuery } from '../page.ts';
import { offlinePolicy } from './secrets.ts';

export const MAX_CHAIN_BYTES = 64 * 1024;
const MAX_KEY_BYTES = 16 * 1024;
/** In base64. */
const MAX_PKCS12_CHARACTERS = 4 * Math.ceil(MAX_CHAIN_BYTES / 3);

/** `PUT /api/v1/groups/:group/certificates/:certificate`. */
export const putCertificateBody = z
  .strictObject({
    chain: z
      .string()
      .max(MAX_CHAIN_BYTES)
      .optional()
      .describe('The certificate and its intermediates, in PEM and any order; with `key`'),
    key: z.string().max(MAX_KEY_BYTES).optional().describe('In PEM, without a password'),
    pkcs12: z
      .base64()
      .max(MAX_PKCS12_CHARACTERS)
      .optional()
      .describe('A PKCS#12 file, in base64, in place of `chain` and `key`; with `password`'),
    password: z.string().max(1_024).optional().describe('Of the PKCS#12 file; it is not kept'),
    offline: offlinePolicy.optional().describe('Absent: as it was; `deny` for one that is new'),
  })
  .refine(isOneForm, 'give either chain and key, or pkcs12 and password')
  .describe('Either `chain` and `key`, or `pkcs12` and `password`.');
export type PutCertificateBody = z.infer<typeof putCertificateBody>;

function isOneForm(body: { chain?: unknown; key?: unknown; pkcs12?: unknown; password?: unknown }) {
  const given = (['chain', 'key', 'pkcs12', 'password'] as const).filter(
    (name) => body[name] !== undefined,
  );
  return ['chain,key', 'pkcs12,password'].includes(given.join(','));
}

/** Query of `GET /api/v1/groups/:group/certificates`. */
export const certificateQuery = pageQuery(resourceName).extend({
  expiresBefore: soughtInstant.optional().describe('Only those that end before it'),
  expiresWithinDays: z.coerce
    .number()
    .int()
    .min(0)
    .max(3_650)
    .optional()
    .describe('Only those that end before so many days from now; of both limits the nearer counts'),
});
export type CertificateQuery = z.infer<typeof certificateQuery>;

export const certificate = z
  .strictObject({
    id: uuid,
    name: resourceName,
    version: z.int().describe('From 1, and one more with each replacement'),
    offline: offlinePolicy,
    subject: z.string().describe('A distinguished name in one line, as OpenSSL prints it'),
    issuer: z.string().describe('The same of who issued it'),
    serialNumber: z.string().describe('In hexadecimal'),
    dnsNames: z.array(z.string()).describe('Of its subject alternative names, in lower case'),
    ipAddresses: z.array(z.string()),
    uris: z.array(z.string()),
    notBefore: instant,
    notAfter: instant,
    fingerprint: z.string().describe('`SHA256:AA:BB:…`'),
    keyAlgorithm: z.string().describe('`RSA-2048`, `EC-P-256`, `Ed25519` and the like'),
    createdAt: instant,
    updatedAt: instant,
  })
  .describe(
    'All that the API ever tells of a certificate. Its chain and key leave with the bundle alone.',
  );
export type CertificateMetadata = z.infer<typeof certificate>;
