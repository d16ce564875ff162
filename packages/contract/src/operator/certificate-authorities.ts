import { z } from 'zod';
import { instant, uuid } from '../names.ts';

/**
 * Where the control plane's own CA stands: `prepared` is trusted and does not issue yet, `active` issues,
 * `superseded` issued before and is trusted still, `retired` is trusted by nobody and has lost its key.
 */
export const authorityState = z.enum(['prepared', 'active', 'superseded', 'retired']);
export type AuthorityState = z.infer<typeof authorityState>;

/** `agentCertificates` counts those it issued that have not expired. */
export const certificateAuthority = z.strictObject({
  id: uuid,
  state: authorityState,
  /** `SHA256:AA:BB:…` */
  fingerprint: z.string(),
  certificate: z.string(),
  agentCertificates: z.int(),
  expiresAt: instant,
  createdAt: instant,
});
export type CertificateAuthority = z.infer<typeof certificateAuthority>;

/** `GET /api/v1/certificate-authorities`, newest first. */
export const certificateAuthorityList = z.strictObject({ items: z.array(certificateAuthority) });
