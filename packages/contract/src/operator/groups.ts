import { z } from 'zod';
import { agentMethod } from '../agent/session.ts';
import { groupName, instant, uuid } from '../names.ts';

const agentMethods = z
  .array(agentMethod)
  .min(1)
  .refine((methods) => new Set(methods).size === methods.length, 'name each way once')
  .describe(
    'How its agents may open sessions: by their key alone, an agent token, or a certificate',
  );

export const clonePolicy = z
  .enum(['report', 'refuse'])
  .describe(
    'What a copy of an agent’s state meets. `report`: an audit event alone; `refuse`: whoever comes second is refused too, until one of the two is enrolled anew',
  );
export type ClonePolicy = z.infer<typeof clonePolicy>;

/** `PATCH /api/v1/groups/:group`. */
export const patchGroupBody = z
  .strictObject({ agentMethods: agentMethods.optional(), clones: clonePolicy.optional() })
  .refine((body) => Object.keys(body).length > 0, 'name what is to change')
  .describe('What is absent stays as it is.');

/** `POST /api/v1/groups`. */
export const createGroupBody = z.strictObject({ name: groupName });

/** A version of a group's key. */
export const keyringVersion = z.strictObject({
  version: z.int(),
  state: z
    .enum(['active', 'retiring', 'retired'])
    .describe(
      '`active`: seals; `retiring`: still opens what it sealed; `retired`: is used by nothing, and destroyed',
    ),
  encryptions: z.int().describe('How many values it ever sealed'),
  uses: z.int().describe('How many of them are still there'),
  createdAt: instant,
  retiredAt: instant.nullable().describe('When it was destroyed; null until then'),
});

/** `GET /api/v1/groups/:group/keyring`. */
export const keyring = z.strictObject({
  versions: z.array(keyringVersion).describe('The newest first'),
  remaining: z.int().describe('How many values wait to be sealed anew'),
});
export type Keyring = z.infer<typeof keyring>;

export const group = z.strictObject({
  id: uuid,
  name: groupName,
  revision: z.int().describe('One more with each change to what its agents receive'),
  agentMethods: z.array(agentMethod).describe('How its agents may open sessions'),
  clones: clonePolicy,
  createdAt: instant,
});
export type Group = z.infer<typeof group>;
