import { z } from 'zod';
import { instant, uuid } from '../names.ts';

const daySeconds = 24 * 3600;
const expiresInDays = z.int().min(1).max(365).default(90);

/** `POST /api/v1/agents/:agent/tokens`. */
export const createAgentTokenBody = z.strictObject({ expiresInDays });

/** `POST /api/v1/agents/:agent/tokens/:agentToken/rotate`. */
export const rotateAgentTokenBody = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0)
    .max(7 * daySeconds)
    .default(daySeconds)
    .describe('For how long the old token goes on, never beyond its own expiry'),
  expiresInDays,
});

/** With it an agent opens sessions, together with a proof by its key. */
export const agentToken = z.strictObject({
  id: uuid,
  state: z.enum(['active', 'expired', 'revoked']),
  createdBy: z.string().describe('Name of the operator or API key'),
  createdAt: instant,
  expiresAt: instant,
  lastUsedAt: instant
    .nullable()
    .describe('When it last opened a session; null before the first time'),
  revokedAt: instant.nullable().describe('Null for one that was not'),
});
export type AgentToken = z.infer<typeof agentToken>;

/** The reply to a creation or rotation. */
export const createdAgentToken = agentToken.extend({
  token: z.string().describe('Shown this once'),
});
