import { z } from 'zod';
import { application } from '../agent/leases.ts';
import { instant, resourceName, uuid } from '../names.ts';
import { pageQuery } from '../page.ts';

/** `ended`: before its time, by an operator or its program, or with its secret or its agent. */
export const leaseState = z.enum(['active', 'expired', 'ended']);
export type LeaseState = z.infer<typeof leaseState>;

/** `GET /api/v1/groups/:group/leases`, newest first. */
export const leasesQuery = pageQuery(uuid).extend({ state: leaseState.optional() });
export type LeasesQuery = z.infer<typeof leasesQuery>;

/** One grant of a secret to a program on an agent's host; without its value. */
export const lease = z.strictObject({
  id: uuid,
  secret: resourceName,
  version: z.int(),
  agentId: uuid,
  application,
  state: leaseState,
  grantedAt: instant,
  expiresAt: instant,
  lastsUntil: instant,
  maxUses: z.int().nullable(),
  endedAt: instant.nullable(),
});
export type Lease = z.infer<typeof lease>;
