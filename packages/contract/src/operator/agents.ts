import { z } from 'zod';
import { agentFacts } from '../agent/enroll.ts';
import { agentName, groupName, instant, uuid } from '../names.ts';
import { pageQuery } from '../page.ts';

export const agentState = z.enum(['active', 'stale', 'lost', 'revoked']);
export type AgentState = z.infer<typeof agentState>;

/**
 * The name by which a client certificate of the organisation's own CA is an agent's: `uri:…`, `dns:…`, `ip:…`, or
 * `key:` with the SHA-256 of its SubjectPublicKeyInfo (RFC 7469, section 2.4) in base64url.
 */
export const certificateIdentity = z
  .string()
  .max(2_053)
  .regex(
    /^(?:uri:[\x21\x23-\x7e]+|dns:[a-z0-9_.-]+|ip:[0-9a-f.:]+|key:[A-Za-z0-9_-]{43})$/,
    'use uri:, dns: (in lower case), ip: or key: and that name of the certificate',
  );

/** `PATCH /api/v1/agents/:agent`: null for none. */
export const patchAgentBody = z.strictObject({
  certificateIdentity: certificateIdentity.nullable(),
});

/**
 * An agent as operators see it. `state`: `active` was heard of lately, `stale` too but has not taken a revision of
 * its group's for a while, `lost` was not, `revoked` is for ever; `stateSince` is null for one that is active.
 * `clonedAt` is when its state was last seen on two hosts. `appliedRevision` is what it has acknowledged, 0 before the first bundle.
 * `certificateIdentity` is null for one that no certificate of the organisation's CA stands for.
 */
export const agent = z.strictObject({
  id: uuid,
  name: agentName,
  group: groupName,
  state: agentState,
  stateSince: instant.nullable(),
  appliedRevision: z.int(),
  keyThumbprint: z.string(),
  certificateIdentity: certificateIdentity.nullable(),
  facts: agentFacts,
  enrolledAt: instant,
  lastSeenAt: instant.nullable(),
  revokedAt: instant.nullable(),
  clonedAt: instant.nullable(),
});
export type Agent = z.infer<typeof agent>;

/** Query of `GET /api/v1/groups/:group/agents`. */
export const agentsQuery = pageQuery(uuid).extend({ state: agentState.optional() });
export type AgentsQuery = z.infer<typeof agentsQuery>;

/** `POST /api/v1/agents/:agent/move`: the group that it is to be in. */
export const moveAgentBody = z.strictObject({ group: groupName });
