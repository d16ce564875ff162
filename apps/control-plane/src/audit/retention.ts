import { systemOperation } from '../authorization/index.ts';
import type { Platform } from '../platform/platform.ts';
import type { AuditKeys } from './audit-keys.ts';
import { appendAuditEvent } from './audit.store.ts';
import { findLink, purgeSubject, readBasePosition, readHead } from './chain.store.ts';
import { dropSegment, findDroppable } from './checkpoints.store.ts';
import { verifySegment } from './verify-chain.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Events that are dropped in one transaction, unless two checkpoints are further apart. */
const AT_ONCE = 20_000;

/**
 * Drops whole segments of the chain that are older than the policy allows, each verified first and ending at a
 * checkpoint, which stays. What was dropped is itself recorded.
 *
 * @throws Error when a segment does not verify: it is kept
 */
export async function purgeAudit(
  platform: Pick<Platform, 'db' | 'clock' | 'log'>,
  keys: AuditKeys,
  retentionDays: number | undefined,
): Promise<void> {
  if (retentionDays === undefined) return;
  const { db, clock, log } = platform;
  const cutoff = new Date(clock.now() - retentionDays * DAY_MS);
  const op = systemOperation('audit retention');
  for (;;) {
    const [base, head] = [await readBasePosition(db), await readHead(db)];
    const wanted = { base, head: head.position, cutoff, far: AT_ONCE };
    const upTo = await findDroppable(db, wanted);
    if (upTo === undefined) return;
    await verifySegment(db, keys, upTo);
    const link = await findLink(db, upTo);
    const dropped = await db.transaction(async (tx) => {
      // Else another replica was first, and has recorded it.
      if (!(await dropSegment(tx, upTo, cutoff))) return false;
      const details = { from: base + 1, to: upTo, hash: link?.hash ?? null };
      const act = {
        action: 'audit:purge',
        subject: purgeSubject(upTo),
        outcome: 'done',
        details,
      } as const;
      await appendAuditEvent(tx, op, act, clock.now());
      return true;
    });
    if (dropped) log.info({ count: upTo - base }, 'audit events past their retention were dropped');
  }
}
