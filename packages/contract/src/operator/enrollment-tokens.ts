import { z } from 'zod';
import { instant, uuid } from '../names.ts';

const hour = 3600;

/** An IPv4 or IPv6 network in CIDR notation. */
const cidr = z.union([z.cidrv4(), z.cidrv6()], 'use CIDR notation, such as 10.0.0.0/8 or fd00::/8');

/** `POST /api/v1/groups/:group/enrollment-tokens`; no `cidrs` means any address. */
export const createEnrollmentTokenBody = z.strictObject({
  uses: z.int().min(1).max(10_000).default(1),
  expiresInSeconds: z
    .int()
    .min(1)
    .max(30 * 24 * hour)
    .default(hour),
  cidrs: z.array(cidr).max(32).default([]),
});

export const enrollmentToken = z.strictObject({
  id: uuid,
  uses: z.int(),
  usesLeft: z.int(),
  expiresAt: instant,
  revokedAt: instant.nullable(),
  cidrs: z.array(z.string()),
  createdAt: instant,
});

/** The reply to a creation: the only time the token is shown. */
export const createdEnrollmentToken = enrollmentToken.extend({ token: z.string() });
