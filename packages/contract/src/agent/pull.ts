import { z } from 'zod';
import { uuid } from '../names.ts';
import { MAX_PULL_WAIT_SECONDS } from '../protocol.ts';
import { bundle } from './bundle.ts';
import { MAX_LEASES } from './leases.ts';
import { claimedTask } from './tasks.ts';

/** What an agent says of itself with each pull. */
const agentStatus = z.enum(['starting', 'ready', 'degraded']);

/**
 * `POST /agent/v1/pull`. `revision` and `epoch` are what the agent runs, 0 before the first; naming a
 * revision acknowledges it. `leases` are those that it holds or is asking for;
 * with `leasesForgotten` it holds no others, as after a start: those are to be ended.
 */
export const pullBody = z.strictObject({
  protocol: z.int(),
  revision: z.int32().min(0),
  epoch: z.int32().min(0),
  status: agentStatus,
  waitSeconds: z.int().min(0).max(MAX_PULL_WAIT_SECONDS),
  taskCapacity: z.int().min(0).max(16),
  leases: z.array(uuid).max(MAX_LEASES).optional(),
  leasesForgotten: z.boolean().optional(),
});
export type PullBody = z.infer<typeof pullBody>;

/**
 * What a pull brings, each part absent when there is nothing of it. `bundleAt` names the path of a
 * bundle too large to inline. `endedLeases` are those of the pull that are no longer: their values are to be
 * forgotten; without any of them, the agent is to name what it holds by now. `next.afterMilliseconds` asks the agent to wait between half and all of it
 * before its next pull, so that a large group does not come back all at once.
 */
export const pullReply = z.strictObject({
  revision: z.int().min(1),
  epoch: z.int().min(1),
  deliveryKey: z.string().optional(),
  bundle: bundle.optional(),
  bundleAt: z
    .string()
    .regex(/^\/[\x21-\x7e]*$/, 'use a path')
    .optional(),
  tasks: z.array(claimedTask),
  endedLeases: z.array(uuid).optional(),
  next: z.strictObject({ afterMilliseconds: z.int().min(0).max(600_000) }),
});
export type PullReply = z.infer<typeof pullReply>;
