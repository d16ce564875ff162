import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AUDIT_WRITES,
  insertAuditRows,
  Sequencer,
} from '@sallyport/control-plane/src/audit/index.ts';
import { Batches } from '@sallyport/control-plane/src/platform/batches.ts';
import { systemClock } from '@sallyport/control-plane/src/platform/clock.ts';
import { Database } from '@sallyport/control-plane/src/platform/db.ts';
import { createLog } from '@sallyport/control-plane/src/platform/log.ts';
import { migrate } from '@sallyport/control-plane/src/platform/migrate.ts';
import { startEmbeddedPostgres } from '@sallyport/embedded-postgres/start';
import { asAdmin } from '@sallyport/testkit/database';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { auditEventRow } from './audit-events.ts';
import { atLeast, atMost, describeMachine, type BenchResult } from './result.ts';

/** In slices that take turns, so that what else the machine does meets both. */
const SLICES = 4;
const SLICE = 20_000;
const APPENDS = SLICES * SLICE;
/** Appends that are under way at a time, as requests would be. */
const CALLERS = 1_000;
/** Between two looks at how far the chain is, which take time from it. */
const LOOK_EVERY_MS = 2;
const COLUMNS =
  'id, at, actor_kind, actor_id, actor_name, action, subject, group_id, outcome, address, request_id, details';

type Say = (line: string) => void;
/** Appends a second at one size of the table: with the chain, and raw. */
type Round = { size: number; chained: number; raw: number };

/** Appends with the chain to tables of three sizes, beside raw multi-row inserts of the same rows. */
export async function audit(size: number, say: Say): Promise<BenchResult> {
  const folder = await createTempDirectory('bench-audit');
  await chmod(folder.path, 0o711);
  const directory = join(folder.path, 'server');
  const server = await startEmbeddedPostgres({ directory, database: 'sallyport' });
  try {
    await migrate({ connectionString: server.url });
    const rounds: Round[] = [];
    for (const rows of [0, Math.ceil(size / 5), size])
      rounds.push(await measure(server.url, rows, say));
    return resultOf(rounds);
  } finally {
    await server.stop();
    await folder.remove();
  }
}

async function measure(url: string, size: number, say: Say): Promise<Round> {
  const table = new ChainedTable(url);
  try {
    await table.append(Math.max(0, size - (await table.placed())));
    // What follows is compared with a table that was just copied.
    await prepareCopy(url);
    let [chainedSeconds, rawSeconds] = [0, 0];
    for (let slice = 0; slice < SLICES; slice += 1) {
      chainedSeconds += await table.append(SLICE);
      rawSeconds += await table.appendRaw(SLICE);
    }
    const [chained, raw] = [APPENDS / chainedSeconds, APPENDS / rawSeconds];
    say(`${size} rows: ${Math.round(chained)} appends/s with the chain, ${Math.round(raw)} raw`);
    return { size, chained, raw };
  } finally {
    await table.close();
  }
}

/** The audit of a control plane: group commit, and the sequencer that chains. */
class ChainedTable {
  readonly #db: Database;
  readonly #rows: Batches<ReturnType<typeof auditEventRow>>;
  readonly #sequencer: Sequencer;

  constructor(url: string) {
    this.#db = new Database({ connectionString: url });
    this.#rows = new Batches((rows) => insertAuditRows(this.#db, rows), AUDIT_WRITES);
    this.#sequencer = new Sequencer(
      { connectionString: url },
      {
        db: this.#db,
        log: createLog('warn', process.stderr),
        clock: systemClock,
      },
    );
    this.#sequencer.start();
  }

  /** Appends from many callers; resolves with the seconds it took until every event has its place. */
  async append(count: number): Promise<number> {
    const wanted = (await this.placed()) + count;
    const startedAt = performance.now();
    let index = 0;
    const caller = async () => {
      while (index < count) await this.#rows.add(auditEventRow(index++));
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    while ((await this.placed()) < wanted) await sleep(LOOK_EVERY_MS);
    return (performance.now() - startedAt) / 1000;
  }

  /** The yardstick: the same rows in the same statement, as many at a time and over as many connections. */
  async appendRaw(count: number): Promise<number> {
    const { batch, lanes } = AUDIT_WRITES;
    const startedAt = performance.now();
    let index = 0;
    const lane = async () => {
      while (index < count) {
        const first = index;
        index += batch;
        const rows = Array.from({ length: batch }, (_, at) => auditEventRow(first + at));
        await insertAuditRows(this.#db, rows, 'audit_raw');
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    return (performance.now() - startedAt) / 1000;
  }

  async placed(): Promise<number> {
    const text = 'SELECT coalesce(max(position), 0) AS last FROM audit_links';
    const [row] = await this.#db.direct<{ last: string }>({ name: 'bench-placed', text }, []);
    return Number(row?.last);
  }

  async close(): Promise<void> {
    await this.#sequencer.stop();
    await this.#db.close();
  }
}

/** A plain copy of the table with its rows and indexes, and without triggers, links or other roles. */
async function prepareCopy(url: string): Promise<void> {
  await asAdmin(url, async (client) => {
    await client.query('DROP TABLE IF EXISTS audit_raw');
    await client.query(`CREATE TABLE audit_raw (LIKE audit_events INCLUDING ALL);
      CREATE SEQUENCE audit_raw_seq OWNED BY audit_raw.seq;
      ALTER TABLE audit_raw ALTER seq SET DEFAULT nextval('audit_raw_seq');
      GRANT ALL ON audit_raw, audit_raw_seq TO PUBLIC`);
    await client.query(`INSERT INTO audit_raw (${COLUMNS}) SELECT ${COLUMNS} FROM audit_events`);
    await client.query('VACUUM ANALYZE');
    await client.query('CHECKPOINT');
  });
}

function resultOf(rounds: Round[]): BenchResult {
  const [empty, , largest] = rounds;
  if (empty === undefined || largest === undefined) throw new Error('nothing was measured');
  const slowest = rounds.reduce((worst, round) => (round.chained < worst.chained ? round : worst));
  const share = Math.min(...rounds.map(({ chained, raw }) => chained / raw));
  const microseconds = ({ chained }: Round) => 1e6 / chained;
  const slope =
    (microseconds(largest) - microseconds(empty)) / ((largest.size - empty.size) / 100_000);
  return {
    benchmark: `audit of ${rounds.map((round) => round.size).join(', ')} events`,
    machine: describeMachine(),
    samples: rounds.length * APPENDS,
    goals: [
      ...rounds.map(({ size, chained, raw }) =>
        atLeast(
          `appends with the chain, to ${size} events`,
          { value: chained, unit: '/s', yardstick: raw },
          5_000,
        ),
      ),
      atLeast('the slowest over raw inserts', { value: share, unit: 'x', yardstick: 1 }, 0.5),
      // Linear or better: what an append costs may grow by a tenth at most with 100,000 events more.
      atMost(
        'slope: more time for an append, by 100,000 events',
        { value: slope, unit: 'µs' },
        Math.round(100 * microseconds(slowest)) / 1000,
      ),
    ],
  };
}
