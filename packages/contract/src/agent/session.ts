import { z } from 'zod';
import { trustAnchors } from './certificate.ts';
import { joinedGroup } from './enroll.ts';

/** The assertion grant (RFC 7523, section 2.1). */
export const ASSERTION_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** An agent token, with a DPoP proof by the agent's key. */
export const AGENT_TOKEN_GRANT = 'urn:sallyport:grant-type:agent-token';
/** The client certificate of the connection (RFC 8705). */
export const CERTIFICATE_GRANT = 'urn:sallyport:grant-type:client-certificate';

/** How an agent proves who it is when it opens a session. */
export const agentMethod = z.enum(['key', 'token', 'certificate']);
export type AgentMethod = z.infer<typeof agentMethod>;

/** How a session was opened; `recovery`: with the key, for nothing but a new certificate. */
export const sessionMethod = z.enum([...agentMethod.options, 'recovery']);
export type SessionMethod = z.infer<typeof sessionMethod>;

/**
 * Where an agent stands in the row of its sessions: what it was left with by the last one, null at the first, and
 * what it will be left with by this one. Random, and on disk before it is sent: of two hosts that share a copied
 * state directory the second cannot show what the first was left with.
 */
export const generation = z.strictObject({
  current: z
    .string()
    .regex(/^[\w-]{22}$/)
    .nullable(),
  next: z.string().regex(/^[\w-]{22}$/),
});
export type Generation = z.infer<typeof generation>;

/**
 * `POST /agent/v1/session`: a JWT signed by the agent's key (RFC 7523, section 3), used once; or an agent token,
 * with a DPoP proof of the request, which is without `ath` as there is no access token yet; or the client
 * certificate that the connection was made with.
 */
export const sessionBody = z.discriminatedUnion('grantType', [
  z.strictObject({
    protocol: z.int(),
    grantType: z.literal(ASSERTION_GRANT),
    assertion: z.string().max(4096),
    generation: generation.optional(),
  }),
  z.strictObject({
    protocol: z.int(),
    grantType: z.literal(AGENT_TOKEN_GRANT),
    token: z.string().max(256),
    generation: generation.optional(),
  }),
  z.strictObject({
    protocol: z.int(),
    grantType: z.literal(CERTIFICATE_GRANT),
    generation: generation.optional(),
  }),
]);
export type SessionBody = z.infer<typeof sessionBody>;

/** `POST /agent/v1/session/renew`, within a session that is still open: another access token of the same standing. */
export const renewSessionBody = z.strictObject({ protocol: z.int() });

/**
 * `accessToken` is bound to the agent's signing key (`DPoP`; RFC 9449, section 6), or to its certificate
 * (`Bearer`; RFC 8705, section 3). `trustAnchors` are the CAs of the agent API from now on; `group` is the one that
 * the agent is in now.
 */
export const sessionReply = z.strictObject({
  accessToken: z.string().regex(/^[\x21-\x7e]+$/, 'use what a header can carry'),
  tokenType: z.enum(['DPoP', 'Bearer']),
  expiresInSeconds: z.int().min(1).max(86_400),
  trustAnchors: trustAnchors.optional(),
  group: joinedGroup.optional(),
});
export type SessionReply = z.infer<typeof sessionReply>;
