import { z } from 'zod';
import { agentFacts } from '../agent/enroll.ts';
import { agentName, groupName, instant, uuid } from '../names.ts';
import { pageQuery } from '../page.ts';

export const agentState = z
  .enum(['active', 'stale', 'lost', 'revoked'])
  .describe(
    '`active`: heard of in the last three minutes, or has only just enrolled; `stale`: heard of too, but has not taken a revision that its group has had for over a minute; `lost`: not heard of for three minutes, it serves what it has; `revoked`: for ever',
  );
export type AgentState = z.infer<typeof agentState>;

/** The name by which a client certificate of the organisation's own CA is an agent's. */
export const certificateIdentity = z
  .string()
  .max(2_053)
  .regex(
    /^(?:uri:[\x21\x23-\x7e]+|dns:[a-z0-9_.-]+|ip:[0-9a-f.:]+|key:[A-Za-z0-9_-]{43})$/,
    'use uri:, dns: (in lower case), ip: or key: and that name of the certificate',
  )
  .describe(
    'What of a client certificate of the organisation’s own CA tells that it is the agent’s: `uri:…`, `dns:…`, `ip:…`, or `key:` with the SHA-256 of its SubjectPublicKeyInfo (RFC 7469, section 2.4) in base64url',
  );

/** `PATCH /api/v1/agents/:agent`. */
export const patchAgentBody = z.strictObject({
  certificateIdentity: certificateIdentity
    .nullable()
    .describe('Null when no certificate is to stand for it'),
});

/** An agent as operators see it. */
export const agent = z.strictObject({
  id: uuid,
  name: agentName.describe('What its host calls itself; agents of a group may have the same'),
  group: groupName,
  state: agentState,
  stateSince: instant.nullable().describe('Null for one that is active'),
  appliedRevision: z
    .int()
    .describe('The revision of its group that it has acknowledged; 0 before the first bundle'),
  keyThumbprint: z.string().describe('Of its signing key (RFC 7638)'),
  certificateIdentity: certificateIdentity
    .nullable()
    .describe('Null for one that no certificate of the organisation’s own CA stands for'),
  facts: agentFacts.describe('What it said of its host when it enrolled: shown, and never trusted'),
  enrolledAt: instant,
  lastSeenAt: instant.nullable().describe('When it was last heard of; null until the first time'),
  revokedAt: instant.nullable().describe('Null for one that was not'),
  clonedAt: instant
    .nullable()
    .describe('When its state was last seen on two hosts; null if it never was'),
});
export type Agent = z.infer<typeof agent>;

/** Query of `GET /api/v1/groups/:group/agents` and `GET /api/v1/agents`. */
export const agentsQuery = pageQuery(uuid).extend({ state: agentState.optional() });
export type AgentsQuery = z.infer<typeof agentsQuery>;

/** `POST /api/v1/agents/:agent/move`. */
export const moveAgentBody = z.strictObject({
  group: groupName.describe('The one that it is to be in'),
});
