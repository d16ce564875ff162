import { z } from 'zod';
import { instant, resourceName, soughtInstant, uuid } from '../names.ts';
import { pageQuery } from '../page.ts';
import { offlinePolicy } from './secrets.ts';

export const MAX_CHAIN_BYTES = 64 * 1024;
const MAX_KEY_BYTES = 16 * 1024;
/** In base64. */
const MAX_PKCS12_CHARACTERS = 4 * Math.ceil(MAX_CHAIN_BYTES / 3);

/**
 * `PUT /api/v1/groups/:group/certificates/:certificate`: creates it, or replaces it whole. Either `chain` and
 * `key` in PEM, or a PKCS#12 file in base64 and its `password`. `offline` stays as it was when absent.
 */
export const putCertificateBody = z
  .strictObject({
    chain: z.string().max(MAX_CHAIN_BYTES).optional(),
    key: z.string().max(MAX_KEY_BYTES).optional(),
    pkcs12: z.base64().max(MAX_PKCS12_CHARACTERS).optional(),
    password: z.string().max(1_024).optional(),
    offline: offlinePolicy.optional(),
  })
  .refine(isOneForm, 'give either chain and key, or pkcs12 and password');
export type PutCertificateBody = z.infer<typeof putCertificateBody>;

function isOneForm(body: { chain?: unknown; key?: unknown; pkcs12?: unknown; password?: unknown }) {
  const given = (['chain', 'key', 'pkcs12', 'password'] as const).filter(
    (name) => body[name] !== undefined,
  );
  return ['chain,key', 'pkcs12,password'].includes(given.join(','));
}

/** `GET /api/v1/groups/:group/certificates`: with both limits given, the nearer one counts. */
export const certificateQuery = pageQuery(resourceName).extend({
  expiresBefore: soughtInstant.optional(),
  expiresWithinDays: z.coerce.number().int().min(0).max(3_650).optional(),
});
export type CertificateQuery = z.infer<typeof certificateQuery>;

/** All that the API ever tells of a certificate. Its chain and key leave with the bundle alone. */
export const certificate = z.strictObject({
  id: uuid,
  name: resourceName,
  version: z.int(),
  offline: offlinePolicy,
  subject: z.string(),
  issuer: z.string(),
  serialNumber: z.string(),
  dnsNames: z.array(z.string()),
  ipAddresses: z.array(z.string()),
  uris: z.array(z.string()),
  notBefore: instant,
  notAfter: instant,
  fingerprint: z.string(),
  keyAlgorithm: z.string(),
  createdAt: instant,
  updatedAt: instant,
});
export type CertificateMetadata = z.infer<typeof certificate>;
