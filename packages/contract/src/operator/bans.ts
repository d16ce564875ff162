import { z } from 'zod';
import { agentName, groupName, instant, uuid } from '../names.ts';

/** `POST /api/v1/agents/:agent/ban`. */
export const banAgentBody = z.strictObject({
  banName: z
    .boolean()
    .default(false)
    .describe('Whether no agent of its name may join its group either'),
});

/** What may not enrol again. */
export const ban = z.strictObject({
  id: uuid,
  group: groupName.describe('The one that the agent was in'),
  agentId: uuid,
  agentName,
  bannedName: agentName
    .nullable()
    .describe('Whoever calls itself this may not enrol in this group; null when any name may'),
  signingKey: z.string().describe('Thumbprint (RFC 7638) of a key that enrols in no group'),
  encryptionKey: z.string().describe('The same of the agent’s other key'),
  createdBy: z.string().describe('Name of the operator or API key'),
  createdAt: instant,
});
export type Ban = z.infer<typeof ban>;
