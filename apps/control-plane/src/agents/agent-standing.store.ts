import {
  agentMethod,
  clonePolicy,
  type AgentMethod,
  type ClonePolicy,
  type JoinedGroup,
} from '@sallyport/contract';
import { AppError } from '../platform/app-error.ts';
import { arrayLiteral } from '../platform/array-literal.ts';
import { Batches } from '../platform/batches.ts';
import type { Database } from '../platform/db.ts';

/** What a session stands on, as it is now. */
export type Standing = {
  group: JoinedGroup;
  /** Since when it is in that group, if it was in another one before. */
  movedAt: Date | null;
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
           a.moved_at AS "movedAt",
           t.revoked_at IS NOT NULL AS "tokenRevoked", t.expires_at AS "expiresAt", asked.place::int
         FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS asked (agent_id, token_id, place)
           JOIN agents a ON a.id = asked.agent_id JOIN groups g ON g.id = a.group_id
           LEFT JOIN agent_tokens t ON t.id = asked.token_id AND t.agent_id = a.id`,
};

/** An agent, and the agent token that its session was opened with. */
type Asked = { agentId: string; tokenId: string | undefined };

type Row = {
  agentRevoked: boolean;
  enrolledAt: Date;
  methods: unknown;
  clones: string;
  groupId: string;
  groupName: string;
  movedAt: Date | null;
  tokenRevoked: boolean;
  expiresAt: Date | null;
  /** In what was asked for, from 1. */
  place: number;
};

/** How agents stand, in the order in which they were asked for; undefined for one that is gone. */
async function findStandings(db: Database, asked: Asked[]): Promise<(Standing | undefined)[]> {
  const agents = arrayLiteral(asked.map(({ agentId }) => agentId));
  const tokens = arrayLiteral(asked.map(({ tokenId }) => tokenId ?? null));
  const standings: (Standing | undefined)[] = asked.map(() => undefined);
  for (const row of await db.direct<Row>(STATEMENT, [agents, tokens]))
    standings[row.place - 1] = standingOf(row);
  return standings;
}

/** Reads how agents stand: many that ask at the same time, as when all come back, with one statement. */
export class Standings {
  readonly #reads: Batches<Asked, Standing>;

  constructor(db: Database) {
    const read = (asked: Asked[]) => findStandings(db, asked);
    this.#reads = new Batches(read, { batch: 500, lanes: 2, queued: 10_000, refusal: tooMany });
  }

  /** As the agent stands when this is called, or later; undefined when it is gone. @throws AppError `server.unavailable` */
  async find(agentId: string, tokenId?: string): Promise<Standing | undefined> {
    return this.#reads.add({ agentId, tokenId });
  }
}

function standingOf({ agentRevoked, enrolledAt, tokenRevoked, expiresAt, movedAt, ...row }: Row) {
  const group = { id: row.groupId, name: row.groupName };
  const clones = clonePolicy.parse(row.clones);
  const token = expiresAt === null ? undefined : { revoked: tokenRevoked, expiresAt };
  const methods = agentMethod.array().parse(row.methods);
  return { group, movedAt, agentRevoked, enrolledAt, methods, clones, token };
}

function tooMany(): AppError {
  return new AppError(
    'server.unavailable',
    'Too many agents open or renew their sessions; try again shortly.',
    { retryAfterSeconds: 2 },
  );
}
