import type { Db } from '../platform/db.ts';

/** When a name's sign-in is open again, if it is locked. */
export async function findLock(db: Db, name: string, now: Date): Promise<Date | undefined> {
  return (await listLocks(db, [name], now)).get(name);
}

/** The same of many names; those that are not locked are left out. */
export async function listLocks(db: Db, names: string[], now: Date): Promise<Map<string, Date>> {
  const rows = await db.signInFailure.findMany({
    where: { name: { in: names }, lockedUntil: { gt: now } },
  });
  return new Map(
    rows.flatMap(({ name, lockedUntil }) => (lockedUntil ? [[name, lockedUntil]] : [])),
  );
}

/**
 * Counts a failure, and locks the name at every `limit`th; in one statement, so that guesses in parallel
 * all count. False, and nothing counted, while the name is locked: by `findLock` of the same transaction.
 */
export async function countFailure(
  db: Db,
  name: string,
  now: Date,
  lock: { limit: number; until: Date },
): Promise<boolean> {
  const counted = await db.$executeRaw`
    INSERT INTO sign_in_failures (name, failures, last_at) VALUES (${name}, 1, ${now})
    ON CONFLICT (name) DO UPDATE SET
      failures = sign_in_failures.failures + 1,
      last_at = ${now},
      locked_until = CASE WHEN (sign_in_failures.failures + 1) % ${lock.limit} = 0
        THEN ${lock.until}::timestamptz ELSE sign_in_failures.locked_until END
    WHERE sign_in_failures.locked_until IS NULL OR sign_in_failures.locked_until <= ${now}`;
  return counted === 1;
}

/** Forgets a name's failures, unless it is locked. */
export async function clearFailures(db: Db, name: string, now: Date): Promise<void> {
  await db.signInFailure.deleteMany({
    where: { name, OR: [{ lockedUntil: null }, { lockedUntil: { lte: now } }] },
  });
}

/** Ends a name's lock. */
export async function unlock(tx: Db, name: string, now: Date): Promise<void> {
  await tx.signInFailure.deleteMany({ where: { name, lockedUntil: { gt: now } } });
}

export async function deleteFailuresBefore(db: Db, before: Date, limit: number): Promise<number> {
  return (await db.signInFailure.deleteMany({ where: { lastAt: { lt: before } }, limit })).count;
}
