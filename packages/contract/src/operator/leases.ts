import { z } from 'zod';
import { application } from '../agent/leases.ts';
import { instant, resourceName, uuid } from '../names.ts';
import { pageQuery } from '../page.ts';

export const leaseState = z
  .enum(['active', 'expired', 'ended'])
  .describe('`expired`: its time is over; `ended`: before its time, `endedHow` tells how');

export const leaseEnd = z
  .enum([
    'revoked',
    'returned',
    'usedUp',
    'secretDeleted',
    'agentRevoked',
    'agentMoved',
    'forgotten',
  ])
  .describe(
    'How a lease ended before its time. `revoked`: by an operator; `returned`, `usedUp`: by its program; `secretDeleted`: with its secret; `agentRevoked`, `agentMoved`: with its agent; `forgotten`: by an agent that started anew or wiped what it held',
  );
export type LeaseEnd = z.infer<typeof leaseEnd>;

/** Query of `GET /api/v1/groups/:group/leases`. */
export const leasesQuery = pageQuery(uuid).extend({ state: leaseState.optional() });
export type LeasesQuery = z.infer<typeof leasesQuery>;

export const lease = z
  .strictObject({
    id: uuid,
    secret: resourceName,
    version: z.int().describe('Of the secret: the one that was lent'),
    agentId: uuid,
    agentName: z.string(),
    application: application.describe('The program, as the agent saw it'),
    state: leaseState,
    grantedAt: instant,
    expiresAt: instant.describe('When it ends by itself; later once it is renewed'),
    lastsUntil: instant.describe('When it ends however often it is renewed'),
    maxUses: z
      .int()
      .nullable()
      .describe('How often its value can be read; null: any number of times'),
    endedAt: instant.nullable().describe('Null for one that is active or has expired'),
    endedHow: leaseEnd
      .nullable()
      .describe('Null as `endedAt` is, and where it was not recorded by an earlier release'),
  })
  .describe('One grant of a secret to a program on an agent’s host, without its value.');
export type Lease = z.infer<typeof lease>;
