import { z } from 'zod';
import { instant, uuid } from '../names.ts';

/** Where the control plane's own CA stands. */
export const authorityState = z
  .enum(['prepared', 'active', 'superseded', 'retired'])
  .describe(
    '`prepared`: is trusted and does not issue yet; `active`: issues; `superseded`: issued before and is trusted still; `retired`: is trusted by nobody and has lost its key',
  );
export type AuthorityState = z.infer<typeof authorityState>;

export const certificateAuthority = z.strictObject({
  id: uuid,
  state: authorityState,
  fingerprint: z.string().describe('`SHA256:AA:BB:…`'),
  certificate: z.string().describe('In PEM'),
  agentCertificates: z
    .int()
    .describe('How many of those that it issued to agents have not expired'),
  expiresAt: instant.describe('When the CA’s own certificate does'),
  createdAt: instant,
});
export type CertificateAuthority = z.infer<typeof certificateAuthority>;

/** `GET /api/v1/certificate-authorities`, newest first. */
export const certificateAuthorityList = z.strictObject({ items: z.array(certificateAuthority) });
