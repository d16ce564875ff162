import { z } from 'zod';

const DAY_SECONDS = 86_400;

export const weekday = z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']);

const timeOfDay = z
  .string()
  .regex(/^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'use HH:MM, from 00:00 to 24:00');

export const leaseWindow = z
  .strictObject({
    days: z.array(weekday).min(1).max(7),
    from: timeOfDay,
    until: timeOfDay.describe('The first minute after'),
    timeZone: z
      .string()
      .max(64)
      .refine(isTimeZone, 'use the name of an IANA time zone')
      .describe('Whose clocks count, by its IANA name: `Europe/Berlin`'),
  })
  .refine(({ from, until }) => from < until, {
    path: ['until'],
    message: 'has to be later than from; make two windows of one that goes past midnight',
  })
  .describe('Hours of a week in which leases are granted and renewed.');
export type LeaseWindow = z.infer<typeof leaseWindow>;

/** How a secret is lent out. */
export const leasePolicy = z.strictObject({
  ttlSeconds: z
    .int()
    .min(5)
    .max(DAY_SECONDS)
    .describe('How long a lease lasts, or less where a program asks for less'),
  maxTtlSeconds: z
    .int()
    .min(5)
    .max(30 * DAY_SECONDS)
    .describe('For how long in all it can be prolonged by renewing it; not below `ttlSeconds`'),
  maxUses: z
    .int()
    .min(1)
    .max(1_000_000)
    .nullable()
    .describe('How often the value of a lease can be read; null: any number of times'),
  windows: z
    .array(leaseWindow)
    .max(16)
    .describe('When leases are granted and renewed; none: always'),
});
export type LeasePolicy = z.infer<typeof leasePolicy>;

export const leaseChange = leasePolicy
  .partial({ maxTtlSeconds: true, maxUses: true, windows: true })
  .describe(
    'How a secret is to be lent out from now on. A restriction that is absent stays as it was; of a secret that was not lent out before, there is none. `maxTtlSeconds` is `ttlSeconds` for as long as it was never given.',
  );
export type LeaseChange = z.infer<typeof leaseChange>;

export const leasePatch = leasePolicy
  .partial()
  .describe(
    'What changes of how a secret is lent out. One that is not lent out yet needs `ttlSeconds`.',
  );
export type LeasePatch = z.infer<typeof leasePatch>;

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name }).format(0);
    return true;
  } catch {
    return false;
  }
}
