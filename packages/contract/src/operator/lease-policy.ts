import { z } from 'zod';

const DAY_SECONDS = 86_400;

export const weekday = z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']);

const timeOfDay = z
  .string()
  .regex(/^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'use HH:MM, from 00:00 to 24:00');

/** Hours of a week in which leases are granted, on a clock in `timeZone` (IANA); `until` is the first minute after. */
export const leaseWindow = z
  .strictObject({
    days: z.array(weekday).min(1).max(7),
    from: timeOfDay,
    until: timeOfDay,
    timeZone: z.string().max(64).refine(isTimeZone, 'use the name of an IANA time zone'),
  })
  .refine(({ from, until }) => from < until, {
    path: ['until'],
    message: 'has to be later than from; make two windows of one that goes past midnight',
  });
export type LeaseWindow = z.infer<typeof leaseWindow>;

/**
 * How a secret is lent out. A lease lasts `ttlSeconds`, or less where less is asked for; renewing it prolongs it,
 * up to `maxTtlSeconds` in all. Its value can be read `maxUses` times, null: any number of times. Leases are granted
 * and renewed within the windows; without any, always.
 */
export const leasePolicy = z.strictObject({
  ttlSeconds: z.int().min(5).max(DAY_SECONDS),
  maxTtlSeconds: z
    .int()
    .min(5)
    .max(30 * DAY_SECONDS),
  maxUses: z.int().min(1).max(1_000_000).nullable(),
  windows: z.array(leaseWindow).max(16),
});
export type LeasePolicy = z.infer<typeof leasePolicy>;

/**
 * How a secret is to be lent out from now on. A restriction that is absent stays as it was; of a secret that was not
 * lent out before, it is that there is none. `maxTtlSeconds` is `ttlSeconds` for as long as it was never there.
 */
export const leaseChange = leasePolicy.partial({
  maxTtlSeconds: true,
  maxUses: true,
  windows: true,
});
export type LeaseChange = z.infer<typeof leaseChange>;

/** What of it changes where the secret is lent out already. */
export const leasePatch = leasePolicy.partial();
export type LeasePatch = z.infer<typeof leasePatch>;

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name }).format(0);
    return true;
  } catch {
    return false;
  }
}
