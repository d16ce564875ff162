import { z } from 'zod';
import { application } from '../agent/leases.ts';
import { instant, resourceName, uuid } from '../names.ts';
import { pageQuery } from '../page.ts';

/** `ended`: before its time, by an operator or its program, or with its secret or its agent. */
export const leaseState = z.enum(['active', 'expired', 'ended']);

/**
 * How a lease ended before its time: `revoked` by an operator; `returned` or `usedUp` by its program; with its secret
 * or its agent; `forgotten` by an agent that started anew or wiped what it held.
 */
export const leaseEnd = z.enum([
  'revoked',
  'returned',
  'usedUp',
  'secretDeleted',
  'agentRevoked',
  'agentMoved',
  'forgotten',
]);
export type LeaseEnd = z.infer<typeof leaseEnd>;

/** `GET /api/v1/groups/:group/leases`, newest first. */
export const leasesQuery = pageQuery(uuid).extend({ state: leaseState.optional() });
export type LeasesQuery = z.infer<typeof leasesQuery>;

/**
 * One grant of a secret to a program on an agent's host; without its value. `endedHow` is null of one that is active
 * or expired, and of one that was ended by a version that did not record it.
 */
export const lease = z.strictObject({
  id: uuid,
  secret: resourceName,
  version: z.int(),
  agentId: uuid,
  agentName: z.string(),
  application,
  state: leaseState,
  grantedAt: instant,
  expiresAt: instant,
  lastsUntil: instant,
  maxUses: z.int().nullable(),
  endedAt: instant.nullable(),
  endedHow: leaseEnd.nullable(),
});
export type Lease = z.infer<typeof lease>;
