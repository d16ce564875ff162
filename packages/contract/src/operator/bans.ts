import { z } from 'zod';
import { agentName, groupName, instant, uuid } from '../names.ts';

/** `POST /api/v1/agents/:agent/ban`; `banName`: no agent of its name may join its group either. */
export const banAgentBody = z.strictObject({ banName: z.boolean().default(false) });

/**
 * What may not enrol again: whoever shows one of the agent's two keys, by thumbprint (RFC 7638), in any group; and
 * whoever calls itself `bannedName` in this one.
 */
export const ban = z.strictObject({
  id: uuid,
  group: groupName,
  agentId: uuid,
  agentName,
  bannedName: agentName.nullable(),
  signingKey: z.string(),
  encryptionKey: z.string(),
  createdBy: z.string(),
  createdAt: instant,
});
export type Ban = z.infer<typeof ban>;
