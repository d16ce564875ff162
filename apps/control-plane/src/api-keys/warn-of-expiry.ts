import { appendAuditEvents } from '../audit/index.ts';
import { systemOperation } from '../authorization/index.ts';
import type { Platform } from '../platform/platform.ts';
import { markWarned } from './api-keys.store.ts';

const WARN_BEFORE_MS = 14 * 24 * 60 * 60 * 1000;
/** Keys in one transaction. */
const BATCH = 200;

/** Leaves an audit event for each key that ends within two weeks, once: it is time to rotate it. */
export async function warnOfExpiry({ db, clock }: Platform): Promise<void> {
  const op = systemOperation('api-key expiry');
  for (let warned = BATCH; warned === BATCH;) {
    warned = await db.transaction(async (tx) => {
      const now = clock.now();
      const keys = await markWarned(tx, new Date(now + WARN_BEFORE_MS), new Date(now), BATCH);
      const events = keys.map((key) => ({ op, act: warningOf(key) }));
      await appendAuditEvents(tx, events, now);
      return keys.length;
    });
  }
}

function warningOf({ id, name, expiresAt }: { id: string; name: string; expiresAt: Date }) {
  return {
    action: 'api-key:expiring',
    subject: `api-key:${id}`,
    outcome: 'done',
    details: { name, expiresAt: expiresAt.toISOString() },
  } as const;
}
