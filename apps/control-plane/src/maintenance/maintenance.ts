import { deleteEndedTokens, deleteExpiredAssertions, markLost } from '../agents/index.ts';
import { warnOfExpiry } from '../api-keys/index.ts';
import { appendAuditEvent } from '../audit/index.ts';
import { systemOperation } from '../authorization/index.ts';
import { deleteExpiredSessions, deleteFailuresBefore } from '../operators/index.ts';
import type { Platform } from '../platform/platform.ts';
import type { QueueBackend } from '../platform/queue-backend.ts';
import { seldom } from '../platform/seldom.ts';
import type { AgentTasks } from '../tasks/index.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Nothing heard of an agent for this long makes it lost: two pulls and their retries. */
const LOST_AFTER_MS = 3 * 60_000;
const QUEUE = 'maintenance';

/** The periodic work: name and interval in milliseconds. */
const schedule = {
  'forget-expired': 60_000,
  'mark-lost': 15_000,
  'repair-tasks': 10_000,
  'end-abandoned-tasks': 60_000,
  'warn-of-expiry': 60 * 60_000,
} as const;
type Chore = keyof typeof schedule;

/** Runs the periodic work as BullMQ job schedulers: once per interval, however many replicas there are. */
export async function startMaintenance(
  platform: Platform,
  backend: QueueBackend,
  tasks: AgentTasks,
): Promise<{ stop(): Promise<void> }> {
  const open = await backend.queues({
    defaultJobOptions: { removeOnComplete: true, removeOnFail: 50 },
  });
  const queue = open(QUEUE);
  for (const [name, every] of Object.entries(schedule))
    await queue.upsertJobScheduler(name, { every }, { name });
  const chores: Record<Chore, () => Promise<void>> = {
    'forget-expired': () => forgetExpired(platform),
    'mark-lost': () => markLostAgents(platform),
    'repair-tasks': () => tasks.repair(),
    'end-abandoned-tasks': () => tasks.endAbandoned(),
    'warn-of-expiry': () => warnOfExpiry(platform),
  };
  const worker = backend.worker(QUEUE, async (name) => {
    if (isChore(name)) await chores[name]();
  });
  worker.on('failed', (job, error) =>
    platform.log.warn({ err: error, action: job?.name }, 'periodic work failed; it comes again'),
  );
  // Ten times a second while its database is away.
  const report = seldom(platform.clock, (err: Error, count) =>
    platform.log.warn({ err, count }, 'the maintenance worker cannot work; trying again'),
  );
  worker.on('error', report);
  return { stop: () => worker.close() };
}

function isChore(name: string): name is Chore {
  return name in schedule;
}

/** Removes what has expired; tokens stay for a day, so that operators see how they ended. */
export async function forgetExpired({ db, clock, log }: Platform): Promise<void> {
  const now = new Date(clock.now());
  const count = await db.transaction(async (tx) => {
    const yesterday = new Date(clock.now() - DAY_MS);
    const tokens = await deleteEndedTokens(tx, yesterday);
    const failures = await deleteFailuresBefore(tx, yesterday);
    return (
      tokens +
      failures +
      (await deleteExpiredAssertions(tx, now)) +
      (await deleteExpiredSessions(tx, now))
    );
  });
  if (count > 0) log.info({ count }, 'expired rows were removed');
}

/** Marks agents lost that have not been heard of, with an audit event each. */
export async function markLostAgents({ db, clock }: Platform): Promise<void> {
  const op = systemOperation('mark-lost');
  await db.transaction(async (tx) => {
    for (const { id, groupId } of await markLost(
      tx,
      new Date(clock.now() - LOST_AFTER_MS),
      new Date(clock.now()),
    )) {
      await appendAuditEvent(
        tx,
        op,
        { action: 'agent:lose', subject: `agent:${id}`, groupId, outcome: 'done' },
        clock.now(),
      );
    }
  });
}
