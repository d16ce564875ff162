import { z } from 'zod';
import { instant, uuid } from '../names.ts';

const daySeconds = 24 * 3600;
const expiresInDays = z.int().min(1).max(365).default(90);

/** `POST /api/v1/agents/:agent/tokens`. */
export const createAgentTokenBody = z.strictObject({ expiresInDays });

/** `POST /api/v1/agents/:agent/tokens/:agentToken/rotate`. The old token goes on for `overlapSeconds`, and never beyond its own expiry. */
export const rotateAgentTokenBody = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0)
    .max(7 * daySeconds)
    .default(daySeconds),
  expiresInDays,
});

/** With it an agent opens sessions, together with a proof by its key. */
export const agentToken = z.strictObject({
  id: uuid,
  state: z.enum(['active', 'expired', 'revoked']),
  createdBy: z.string(),
  createdAt: instant,
  expiresAt: instant,
  lastUsedAt: instant.nullable(),
  revokedAt: instant.nullable(),
});
export type AgentToken = z.infer<typeof agentToken>;

/** The reply to a creation or rotation: the only time the token is shown. */
export const createdAgentToken = agentToken.extend({ token: z.string() });
