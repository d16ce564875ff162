import { appendAuditEvent } from '../audit/index.ts';
import { systemOperation } from '../authorization/index.ts';
import type { Platform } from '../platform/platform.ts';
import { markWarned } from './api-keys.store.ts';

const WARN_BEFORE_MS = 14 * 24 * 60 * 60 * 1000;

/** Leaves an audit event for each key that ends within two weeks, once: it is time to rotate it. */
export async function warnOfExpiry({ db, clock }: Platform): Promise<void> {
  const op = systemOperation('api-key expiry');
  const now = clock.now();
  await db.transaction(async (tx) => {
    for (const { id, name, expiresAt } of await markWarned(
      tx,
      new Date(now + WARN_BEFORE_MS),
      new Date(now),
    )) {
      const details = { name, expiresAt: expiresAt.toISOString() };
      const act = {
        action: 'api-key:expiring',
        subject: `api-key:${id}`,
        outcome: 'done',
        details,
      } as const;
      await appendAuditEvent(tx, op, act, now);
    }
  });
}
