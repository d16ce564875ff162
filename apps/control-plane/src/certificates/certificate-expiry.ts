import { appendAuditEvents } from '../audit/index.ts';
import { systemOperation } from '../authorization/index.ts';
import type { Platform } from '../platform/platform.ts';
import { countExpiringBefore, markWarned, type WarnedCertificate } from './certificates.store.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Days before its end at which a certificate is warned of, the nearest first. */
export const WARN_DAYS = [1, 7, 14, 30];
/** Certificates in one transaction. */
const BATCH = 200;

/**
 * Leaves an audit event for each certificate that has come within 30, 14, 7 or 1 days of its end, once for
 * each: the row remembers the last one. Of several that were passed at once only the nearest is told.
 */
export async function warnOfCertificateExpiry({ db, clock }: Platform): Promise<void> {
  const op = systemOperation('certificate expiry');
  for (const days of WARN_DAYS) {
    for (let warned = BATCH; warned === BATCH;) {
      warned = await db.transaction(async (tx) => {
        const now = clock.now();
        const rows = await markWarned(tx, days, new Date(now + days * DAY_MS), BATCH);
        const events = rows.map((row) => ({ op, act: warningOf(row, days) }));
        await appendAuditEvents(tx, events, now);
        return rows.length;
      });
    }
  }
}

function warningOf({ name, groupId, version, notAfter }: WarnedCertificate, days: number) {
  return {
    action: 'certificate:expiring',
    subject: `certificate:${name}`,
    groupId,
    outcome: 'done',
    details: { days, version, notAfter: notAfter.toISOString() },
  } as const;
}

/** How many certificates expire within so many days; empty while the database is away. */
export async function countExpiring({
  db,
  clock,
  log,
}: Pick<Platform, 'db' | 'clock' | 'log'>): Promise<ReadonlyMap<number, number>> {
  const limits = WARN_DAYS.map((days) => new Date(clock.now() + days * DAY_MS));
  try {
    const counts = await db.read((reader) => countExpiringBefore(reader, limits));
    return new Map(WARN_DAYS.map((days, index) => [days, counts[index] ?? 0]));
  } catch (error) {
    log.debug({ err: error }, 'certificates could not be counted for the metrics');
    return new Map();
  }
}
