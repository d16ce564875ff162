import { z } from 'zod';
import { instant, remark, resourceName, uuid } from '../names.ts';

/** How many leases an agent may hold at a time. */
export const MAX_LEASES = 256;
/** For no longer may a lease be asked at a time. */
export const MAX_LEASE_SECONDS = 86_400;

/**
 * The program that a lease is for, as its agent sees it: the place where it asked, and its process and account where
 * the host tells them (SO_PEERCRED; unix(7)).
 */
export const application = z.strictObject({
  listener: remark(256),
  pid: z.int().nullable(),
  uid: z.int().nullable(),
  gid: z.int().nullable(),
});
export type Application = z.infer<typeof application>;

/**
 * `POST /agent/v1/leases`. The agent chooses the id, so that asking again after a lost reply takes no second lease.
 * `ttlSeconds` is what the program asks for, at most what the secret's policy gives; `requestId` is that of the program's
 * request.
 */
export const takeLeaseBody = z.strictObject({
  protocol: z.int(),
  id: uuid,
  secret: resourceName,
  ttlSeconds: z.int().min(1).max(MAX_LEASE_SECONDS).optional(),
  application,
  requestId: z.string().regex(/^[\w.-]{1,64}$/),
});
export type TakeLeaseBody = z.infer<typeof takeLeaseBody>;

/** How long a lease lasts: from when the agent asked, since the two clocks may differ; `lastsUntil` with renewals. */
export const leaseTerm = z.strictObject({
  ttlSeconds: z.int().min(1),
  expiresAt: instant,
  lastsUntil: instant,
});
export type LeaseTerm = z.infer<typeof leaseTerm>;

/** `value` is a JWE to the agent's key, and tells the lease that it is of. */
export const takenLease = leaseTerm.extend({
  version: z.int().min(1),
  maxUses: z.int().min(1).nullable(),
  value: z.string(),
});
export type TakenLease = z.infer<typeof takenLease>;

/** `POST /agent/v1/leases/:id/renew`: prolongs it from now on. */
export const renewLeaseBody = z.strictObject({
  protocol: z.int(),
  requestId: z.string().regex(/^[\w.-]{1,64}$/),
  ttlSeconds: z.int().min(1).max(MAX_LEASE_SECONDS).optional(),
});
export type RenewLeaseBody = z.infer<typeof renewLeaseBody>;

/** `POST /agent/v1/leases/:id/revoke`, whose body may be missing: whether it is over since its last use was made. */
export const giveBackLeaseBody = z.strictObject({ usedUp: z.boolean() });
export type GiveBackLeaseBody = z.infer<typeof giveBackLeaseBody>;

/** The share of its time that a renewal has to gain, unless it is the last: a program may ask as often as it likes. */
const WORTH = 0.1;

/**
 * When a lease ends that is renewed now for `ttlMs`: where little would be gained, when it does already. Undefined when
 * it lasts as long as it may. All in milliseconds, the instants since the epoch.
 */
export function renewedUntilMs(
  { expiresAtMs, lastsUntilMs }: { expiresAtMs: number; lastsUntilMs: number },
  ttlMs: number,
  nowMs: number,
): number | undefined {
  const untilMs = Math.min(nowMs + ttlMs, lastsUntilMs);
  if (untilMs <= expiresAtMs) return undefined;
  const isWorthIt = untilMs === lastsUntilMs || untilMs - expiresAtMs >= ttlMs * WORTH;
  return isWorthIt ? untilMs : expiresAtMs;
}
