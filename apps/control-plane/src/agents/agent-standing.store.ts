import {
  agentMethod,
  clonePolicy,
  type AgentMethod,
  type ClonePolicy,
  type JoinedGroup,
} from '@sallyport/contract';
import type { Database } from '../platform/db.ts';

/** What a session stands on, as it is now. */
export type Standing = {
  group: JoinedGroup;
  /** Whether it was in another one before. */
  wasMoved: boolean;
  agentRevoked: boolean;
  enrolledAt: Date;
  methods: AgentMethod[];
  clones: ClonePolicy;
  /** Of the agent token that it was opened with; undefined without one. */
  token: { revoked: boolean; expiresAt: Date } | undefined;
};

const STATEMENT = {
  name: 'agent-standing',
  text: `SELECT a.revoked_at IS NOT NULL AS "agentRevoked", a.enrolled_at AS "enrolledAt",
           g.agent_methods AS methods, g.clones, g.id AS "groupId", g.name AS "groupName",
           a.moved_at IS NOT NULL AS "wasMoved",
           t.revoked_at IS NOT NULL AS "tokenRevoked", t.expires_at AS "expiresAt"
         FROM agents a JOIN groups g ON g.id = a.group_id
           LEFT JOIN agent_tokens t ON t.id = $2 AND t.agent_id = a.id
         WHERE a.id = $1`,
};

/** In one statement, as every renewal of every agent asks for it; undefined when the agent is gone. */
export async function findStanding(
  db: Database,
  agentId: string,
  tokenId: string | undefined,
): Promise<Standing | undefined> {
  const [row] = await db.direct<{
    agentRevoked: boolean;
    enrolledAt: Date;
    methods: unknown;
    clones: string;
    groupId: string;
    groupName: string;
    wasMoved: boolean;
    tokenRevoked: boolean;
    expiresAt: Date | null;
  }>(STATEMENT, [agentId, tokenId ?? null]);
  if (row === undefined) return undefined;
  const { agentRevoked, enrolledAt, tokenRevoked, expiresAt, wasMoved } = row;
  const group = { id: row.groupId, name: row.groupName };
  const clones = clonePolicy.parse(row.clones);
  const token = expiresAt === null ? undefined : { revoked: tokenRevoked, expiresAt };
  const methods = agentMethod.array().parse(row.methods);
  return { group, wasMoved, agentRevoked, enrolledAt, methods, clones, token };
}
