import { z } from 'zod';
import { remark, uuid } from '../names.ts';
import { agentFacts } from './enroll.ts';

export const taskKind = z.enum(['diagnose']);
export type TaskKind = z.infer<typeof taskKind>;

/** A task in an agent's hands. `lock` must come with every word about it; the lock ends after `lockSeconds`. */
export const claimedTask = z.strictObject({
  id: uuid,
  kind: taskKind,
  lock: z.string(),
  lockSeconds: z.int().min(1).max(3_600),
  attempt: z.int(),
});
export type ClaimedTask = z.infer<typeof claimedTask>;

/** The result of `diagnose`. `clockOffsetMilliseconds` is the agent's clock minus the control plane's. */
export const diagnosis = z.strictObject({
  facts: agentFacts,
  uptimeSeconds: z.number(),
  clockOffsetMilliseconds: z.number().nullable(),
  tls: z
    .strictObject({
      protocol: remark(32),
      cipher: remark(64),
      peerFingerprint: remark(128),
    })
    .nullable(),
  cache: z.strictObject({ revision: z.int(), epoch: z.int(), entries: z.int(), bytes: z.int() }),
  disk: z.strictObject({
    durableBundleBytes: z.int().nullable(),
    durableRevision: z.int().nullable(),
    freeBytes: z.int(),
    quarantined: z.int(),
  }),
});
export type Diagnosis = z.infer<typeof diagnosis>;

/** `POST /agent/v1/tasks/:id/extend`. */
export const extendTaskBody = z.strictObject({ lock: z.string().max(64) });
/** `POST /agent/v1/tasks/:id/complete`. */
export const completeTaskBody = z.strictObject({ lock: z.string().max(64), result: diagnosis });
/** `POST /agent/v1/tasks/:id/fail`. `error` is a sentence for operators, without values. */
export const failTaskBody = z.strictObject({
  lock: z.string().max(64),
  error: remark(500),
});
