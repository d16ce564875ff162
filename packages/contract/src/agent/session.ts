import { z } from 'zod';

/** The assertion grant (RFC 7523, section 2.1). */
export const ASSERTION_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** `POST /agent/v1/session`: a JWT signed by the agent's key (RFC 7523, section 3), used once. */
export const sessionBody = z.strictObject({
  protocol: z.int(),
  grantType: z.literal(ASSERTION_GRANT),
  assertion: z.string().max(4096),
});

/** `accessToken` is bound to the agent's signing key (RFC 9449, section 6). */
export const sessionReply = z.strictObject({
  accessToken: z.string(),
  tokenType: z.literal('DPoP'),
  expiresInSeconds: z.int().min(1).max(86_400),
});
export type SessionReply = z.infer<typeof sessionReply>;
