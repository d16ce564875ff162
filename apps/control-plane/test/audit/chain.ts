import type { ChainHead } from '@sallyport/crypto/audit-chain';
import { asAdmin } from '@sallyport/testkit/database';
import type pg from 'pg';
import type { AuditAct } from '../../src/audit/audit-event.ts';
import { Sequencer } from '../../src/audit/index.ts';
import { systemOperation } from '../../src/authorization/index.ts';
import type { TestControlPlane } from '../control-plane.ts';

/** Acts of the system, for tests that need events and care for nothing in them. */
export const op = systemOperation('test');
export const act: AuditAct = { action: 'agent:lose', subject: 'agent:1', outcome: 'done' };

/** Runs as the superuser of the test's server. */
export async function sql<Row extends pg.QueryResultRow>(
  url: string,
  statement: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return asAdmin(url, async (client) => (await client.query<Row>(statement, values)).rows);
}

export type ChainState = { events: number; links: number; last: number; doubles: number };

/** How much of the audit is in the chain. */
export async function chainState(url: string): Promise<ChainState> {
  const [state] = await sql<ChainState>(
    url,
    `SELECT (SELECT count(*)::int FROM audit_events) AS events, count(*)::int AS links,
            coalesce(max(position), 0)::int AS last,
            (count(*) - count(DISTINCT event_seq))::int AS doubles FROM audit_links`,
  );
  if (state === undefined) throw new Error('the chain cannot be read');
  return state;
}

/** Looks again and again until every event has its place. */
export async function allPlaced(url: string): Promise<ChainState> {
  return asAdmin(url, async (client) => {
    for (;;) {
      const { rows } = await client.query<{ left: number }>(
        `SELECT count(*)::int AS left FROM audit_events e
          WHERE NOT EXISTS (SELECT FROM audit_links l WHERE l.event_seq = e.seq)`,
      );
      if (rows[0]?.left === 0) return chainState(url);
    }
  });
}

/** Gives every event its place, in a control plane that has no worker. */
export async function placeAll({ platform, databaseUrl }: TestControlPlane): Promise<void> {
  const sequencer = new Sequencer({ connectionString: databaseUrl }, platform);
  sequencer.start();
  await allPlaced(databaseUrl);
  await sequencer.stop();
}

export async function headOf(url: string): Promise<ChainHead> {
  const [last] = await sql<{ position: string; hash: Buffer }>(
    url,
    'SELECT position, hash FROM audit_links ORDER BY position DESC LIMIT 1',
  );
  if (last === undefined) throw new Error('the chain is empty');
  return { position: Number(last.position), hash: last.hash.toString('base64') };
}

/** Runs as the superuser with every trigger off: what nobody but the owner of the server can do. */
export async function tamper(url: string, statement: string): Promise<void> {
  await sql(url, `SET session_replication_role = replica; ${statement}`);
}
