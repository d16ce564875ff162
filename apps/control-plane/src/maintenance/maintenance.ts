import {
  appendStateEvents,
  LOST_AFTER_MS,
  MARKED_AT_ONCE,
  markLost,
  noteBehind,
} from '../agents/index.ts';
import { warnOfExpiry } from '../api-keys/index.ts';
import { purgeAudit, signHead, type AuditKeys } from '../audit/index.ts';
import { systemOperation } from '../authorization/index.ts';
import { warnOfCertificateExpiry } from '../certificates/index.ts';
import {
  rewrapKeyrings,
  rotateDueKeyrings,
  type KeyringPolicy,
  type UnreadableReports,
} from '../keyrings/index.ts';
import type { Platform } from '../platform/platform.ts';
import type { JobQueue, QueueBackend } from '../platform/queue-backend.ts';
import { seldom } from '../platform/seldom.ts';
import type { AgentTasks } from '../tasks/index.ts';
import { schedule, scheduleMissing, type Chore } from './chore-schedule.ts';
import { forgetExpired } from './forget-expired.ts';

/** How often a queue is asked whether it still has its chores. */
const LOOK_EVERY_MS = 10_000;

/** How often the audit is signed, and for how many days it is kept; for ever when that is not set. */
type AuditPolicy = { checkpointSeconds: number; retentionDays?: number | undefined };

type MaintenanceParts = {
  tasks: AgentTasks;
  keyringPolicy: KeyringPolicy;
  unreadable: UnreadableReports;
  auditKeys: AuditKeys;
  auditPolicy: AuditPolicy;
  /** For how long this replica has had the database in reach, since its start or the last break. */
  inReachMs: () => number;
};

/**
 * Runs the periodic work as BullMQ job schedulers: once per interval, however many replicas there are. What
 * may take long has a queue of its own.
 */
export async function startMaintenance(
  platform: Platform,
  backend: QueueBackend,
  { tasks, keyringPolicy, unreadable, auditKeys, auditPolicy, inReachMs }: MaintenanceParts,
): Promise<{ stop(): Promise<void> }> {
  const stopping = new AbortController();
  const open = await backend.queues({
    defaultJobOptions: { removeOnComplete: true, removeOnFail: 50 },
  });
  const queues = [
    await startQueue(platform, backend, open('maintenance'), {
      'forget-expired': { everyMs: 60_000, work: () => forgetExpired(platform) },
      'mark-lost': { everyMs: 15_000, work: () => markLostAgents(platform, inReachMs()) },
      'repair-tasks': { everyMs: 10_000, work: () => tasks.repair() },
      'end-abandoned-tasks': { everyMs: 60_000, work: () => tasks.endAbandoned() },
      'warn-of-expiry': { everyMs: 3_600_000, work: () => warnOfExpiry(platform) },
      'warn-of-certificate-expiry': {
        everyMs: 3_600_000,
        work: () => warnOfCertificateExpiry(platform),
      },
      'rotate-keyrings': {
        everyMs: 3_600_000,
        work: () => rotateDueKeyrings(platform, keyringPolicy),
      },
    }),
    await startQueue(platform, backend, open('audit'), {
      'sign-audit': {
        everyMs: auditPolicy.checkpointSeconds * 1_000,
        work: async () => void (await signHead(platform, auditKeys)),
      },
      'purge-audit': {
        everyMs: 3_600_000,
        work: () => purgeAudit(platform, auditKeys, auditPolicy.retentionDays),
      },
    }),
    await startQueue(platform, backend, open('keyrings'), {
      rewrap: {
        everyMs: 5_000,
        work: () => rewrapKeyrings({ platform, unreadable, stopping: stopping.signal }),
      },
    }),
  ];
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(queues.map((queue) => queue.stop()));
    },
  };
}

async function startQueue(
  { clock, log }: Platform,
  backend: QueueBackend,
  queue: JobQueue,
  chores: Record<string, Chore>,
): Promise<{ stop(): Promise<void> }> {
  await schedule(queue, chores);
  const worker = await backend.worker(queue.name, async (name) => {
    await chores[name]?.work();
  });
  worker.on('failed', (job, error) =>
    log.warn({ err: error, action: job?.name }, 'periodic work failed; it comes again'),
  );
  // Each second while its database takes no writes, and more often while it is away.
  const report = seldom(clock, (err: unknown, count) =>
    log.warn({ err, count }, 'the maintenance worker cannot work; trying again'),
  );
  worker.on('error', report);
  let looking: Promise<void> | undefined;
  const timer = setInterval(() => {
    looking ??= scheduleMissing(queue, chores)
      .catch(report)
      .finally(() => {
        looking = undefined;
      });
  }, LOOK_EVERY_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all([looking, worker.close()]);
    },
  };
}

/**
 * Marks agents lost that have not been heard of, with an audit event each, and notes which are behind their group. None
 * is lost before the database has been in reach (`inReachMs`) for as long as that takes: after an outage, or at a start,
 * all of them would be, and return at once.
 */
export async function markLostAgents({ db, clock }: Platform, inReachMs = Infinity): Promise<void> {
  const op = systemOperation('mark-lost');
  await db.write((writer) => noteBehind(writer, new Date(clock.now())));
  if (inReachMs < LOST_AFTER_MS) return;
  for (let marked = MARKED_AT_ONCE; marked === MARKED_AT_ONCE;) {
    marked = await db.transaction(async (tx) => {
      const now = clock.now();
      const lost = await markLost(tx, new Date(now - LOST_AFTER_MS), new Date(now));
      await appendStateEvents(tx, op, 'agent:lose', lost, now);
      return lost.length;
    });
  }
}
