import { z } from 'zod';
import { agentFacts } from '../agent/enroll.ts';
import { agentName, groupName, instant, uuid } from '../names.ts';

/**
 * An agent as operators see it. `state`: `active` was heard of lately, `lost` was not, `revoked` is
 * for ever. `clonedAt` is when its state was last seen on two hosts. `appliedRevision` is what it has acknowledged, 0 before the first bundle.
 */
export const agent = z.strictObject({
  id: uuid,
  name: agentName,
  group: groupName,
  state: z.enum(['active', 'lost', 'revoked']),
  appliedRevision: z.int(),
  keyThumbprint: z.string(),
  facts: agentFacts,
  enrolledAt: instant,
  lastSeenAt: instant.nullable(),
  revokedAt: instant.nullable(),
  clonedAt: instant.nullable(),
});
export type Agent = z.infer<typeof agent>;
