import { z } from 'zod';

/** A certificate request (PKCS#10, RFC 2986), DER in base64: without a subject, and without any name but the agent's own. */
export const certificateRequest = z.base64().min(1).max(4096);

/** The CAs of the agent API, PEM each. */
export const trustAnchors = z.array(z.string().max(16_384)).min(1).max(16);

/** `POST /agent/v1/certificate`: re-enrolment in the manner of RFC 7030, section 4.2.2, within a session. */
export const certificateBody = z.strictObject({ protocol: z.int(), csr: certificateRequest });
export type CertificateBody = z.infer<typeof certificateBody>;

/** `certificate` is the new chain, leaf first, in PEM. */
export const certificateReply = z.strictObject({ certificate: z.string(), trustAnchors });
export type CertificateReply = z.infer<typeof certificateReply>;

/** `GET /agent/v1/cacerts` (RFC 7030, section 4.1): what to trust, to be believed only over a connection that is. */
export const caCertificatesReply = z.strictObject({ trustAnchors });
