import { z } from 'zod';
import { agentMethod } from '../agent/session.ts';
import { groupName, instant, uuid } from '../names.ts';

/** How the agents of a group may open sessions; at least one way. */
const agentMethods = z
  .array(agentMethod)
  .min(1)
  .refine((methods) => new Set(methods).size === methods.length, 'name each way once');

/** What a copy of an agent's state meets: an event alone, or a refusal until the agent is enrolled anew. */
export const clonePolicy = z.enum(['report', 'refuse']);
export type ClonePolicy = z.infer<typeof clonePolicy>;

/** `PATCH /api/v1/groups/:group`: what is absent stays as it is. */
export const patchGroupBody = z
  .strictObject({ agentMethods: agentMethods.optional(), clones: clonePolicy.optional() })
  .refine((body) => Object.keys(body).length > 0, 'name what is to change');

/** `POST /api/v1/groups`. */
export const createGroupBody = z.strictObject({ name: groupName });

/**
 * A version of a group's key: `active` seals, `retiring` still opens what it sealed, `retired` is used by
 * nothing and destroyed. `encryptions` is what it ever sealed, `uses` what of that is still there.
 */
export const keyringVersion = z.strictObject({
  version: z.int(),
  state: z.enum(['active', 'retiring', 'retired']),
  encryptions: z.int(),
  uses: z.int(),
  createdAt: instant,
  retiredAt: instant.nullable(),
});

/** `GET /api/v1/groups/:group/keyring`, newest version first. `remaining` values wait to be sealed anew. */
export const keyring = z.strictObject({ versions: z.array(keyringVersion), remaining: z.int() });
export type Keyring = z.infer<typeof keyring>;

/** `revision` grows by one with every change to what the group's agents receive. */
export const group = z.strictObject({
  id: uuid,
  name: groupName,
  revision: z.int(),
  agentMethods: z.array(agentMethod),
  clones: clonePolicy,
  createdAt: instant,
});
export type Group = z.infer<typeof group>;
