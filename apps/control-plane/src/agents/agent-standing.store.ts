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

/** Everything that a session depends on, as it is now. */
export type Standing = {
  agentName: string;
  group: JoinedGroup;
  /** Whether it was in another one before. */
  wasMoved: boolean;
  agentRevoked: boolean;
  enrolledAt: Date;
  /** When it came from a group where it needed no certificate. */
  recoverableFrom: Date | null;
  methods: AgentMethod[];
  clones: ClonePolicy;
  /** What its newest session left in its state directory; null before the first that leaves something. */
  generation: string | null;
  /** Of the agent token that it was opened with; undefined without one. */
  token: { revoked: boolean; expiresAt: Date } | undefined;
};

const STATEMENT = {
  name: 'agent-standing',
  text: `SELECT a.name AS "agentName", a.revoked_at IS NOT NULL AS "agentRevoked", a.enrolled_at AS "enrolledAt",
           a.generation, g.agent_methods AS methods, g.clones, g.id AS "groupId", g.name AS "groupName",
           a.moved_at IS NOT NULL AS "wasMoved", a.recoverable_from AS "recoverableFrom",
           t.revoked_at IS NOT NULL AS "tokenRevoked", t.expires_at AS "expiresAt", asked.place::int
         FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS asked (agent_id, token_id, place)
           JOIN agents a ON a.id = asked.agent_id JOIN groups g ON g.id = a.group_id
           LEFT JOIN agent_tokens t ON t.id = asked.token_id AND t.agent_id = a.id`,
};

/** An agent, and the agent token that its session was opened with. */
type Asked = { agentId: string; tokenId: string | undefined };

type Row = {
  agentName: string;
  agentRevoked: boolean;
  enrolledAt: Date;
  methods: unknown;
  clones: string;
  generation: string | null;
  groupId: string;
  groupName: string;
  wasMoved: boolean;
  recoverableFrom: Date | null;
  tokenRevoked: boolean;
  expiresAt: Date | null;
  /** In what was asked for, from 1. */
  place: number;
};

/** What is stored of agents, in the order in which they were asked for; undefined for one that is gone. */
async function findRows(db: Database, asked: Asked[]): Promise<(Row | undefined)[]> {
  const agents = arrayLiteral(asked.map(({ agentId }) => agentId));
  const tokens = arrayLiteral(asked.map(({ tokenId }) => tokenId ?? null));
  const rows: (Row | undefined)[] = asked.map(() => undefined);
  for (const row of await db.direct<Row>(STATEMENT, [agents, tokens])) rows[row.place - 1] = row;
  return rows;
}

/** How one agent stands; undefined when it is gone. */
export async function findStanding(db: Database, agentId: string): Promise<Standing | undefined> {
  const [row] = await findRows(db, [{ agentId, tokenId: undefined }]);
  return row && standingOf(row);
}

/** Reads how agents stand: many that ask at the same time, as when all come back, with one statement. */
export class Standings {
  readonly #reads: Batches<Asked, Row>;

  constructor(db: Database) {
    const read = (asked: Asked[]) => findRows(db, asked);
    this.#reads = new Batches(read, { batch: 500, lanes: 2, queued: 10_000, refusal: tooMany });
  }

  /** As the agent stands when this is called, or later; undefined when it is gone. @throws AppError `server.unavailable` */
  async find(agentId: string, tokenId?: string): Promise<Standing | undefined> {
    const row = await this.#reads.add({ agentId, tokenId });
    // Parsed here, not in the batch: a row that does not parse, as of a newer version, fails for its own agent alone.
    return row && standingOf(row);
  }
}

function standingOf(row: Row): Standing {
  const { agentName, agentRevoked, enrolledAt, recoverableFrom, wasMoved } = row;
  const { generation, tokenRevoked, expiresAt } = row;
  return {
    agentName,
    group: { id: row.groupId, name: row.groupName },
    wasMoved,
    agentRevoked,
    enrolledAt,
    recoverableFrom,
    methods: agentMethod.array().parse(row.methods),
    clones: clonePolicy.parse(row.clones),
    generation,
    token: expiresAt === null ? undefined : { revoked: tokenRevoked, expiresAt },
  };
}

function tooMany(): AppError {
  return new AppError(
    'server.unavailable',
    'Too many agents open or renew their sessions; try again shortly.',
    { retryAfterSeconds: 2 },
  );
}
