import { z } from 'zod';
import { instant, uuid } from '../names.ts';

const hour = 3600;

/** An IPv4 or IPv6 network in CIDR notation. */
const cidr = z.union([z.cidrv4(), z.cidrv6()], 'use CIDR notation, such as 10.0.0.0/8 or fd00::/8');

/** `POST /api/v1/groups/:group/enrollment-tokens`. */
export const createEnrollmentTokenBody = z.strictObject({
  uses: z.int().min(1).max(10_000).default(1).describe('How many agents may enrol with it'),
  expiresInSeconds: z
    .int()
    .min(1)
    .max(30 * 24 * hour)
    .default(hour),
  cidrs: z
    .array(cidr)
    .max(32)
    .default([])
    .describe('Networks from which it may be shown; none: any address'),
});

export const enrollmentToken = z.strictObject({
  id: uuid,
  uses: z.int().describe('How many agents it was made for'),
  usesLeft: z.int(),
  expiresAt: instant,
  revokedAt: instant.nullable().describe('Null for one that was not'),
  cidrs: z.array(z.string()).describe('Networks from which it may be shown; none: any address'),
  createdAt: instant,
});

/** The reply to a creation. */
export const createdEnrollmentToken = enrollmentToken.extend({
  token: z.string().describe('Shown this once'),
});
