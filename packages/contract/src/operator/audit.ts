import { z } from 'zod';
import { groupName, instant, remark, soughtInstant, uuid } from '../names.ts';
import { pageQuery } from '../page.ts';

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const position = z.int().min(0);
const chainHash = z
  .string()
  .regex(/^[A-Za-z0-9+/]{43}=$/, 'use 32 bytes in base64')
  .describe('SHA-256, in base64');

export const auditEvent = z
  .strictObject({
    id: uuid,
    at: instant.describe(
      'When it was recorded; what agents tell has its own `happenedAt` among the `details`',
    ),
    actor: z.strictObject({
      kind: z.string().describe('`operator`, `apiKey`, `agent`, `system` or `anonymous`'),
      id: uuid.nullable(),
      name: z.string(),
    }),
    action: z
      .string()
      .describe('`secret:write` and the like; where a right was missing, the permission'),
    subject: z.string().describe('What it was done to: `secret:db/password`'),
    groupId: uuid.nullable().describe('Null for what belongs to no group'),
    outcome: z.string().describe('`done` or `refused`'),
    address: z.string().describe('Where it came from'),
    requestId: z.string(),
    details: z
      .record(z.string(), z.union([scalar, z.array(z.string()), z.record(z.string(), scalar)]))
      .describe('Names, ids, counts and codes; `before` and `after` are of what changed'),
  })
  .describe('One recorded act.');
export type AuditEvent = z.infer<typeof auditEvent>;

export const auditEntry = z
  .strictObject({
    position: position.describe('In the chain, from 1 on and without gaps'),
    hash: chainHash.describe(
      'SHA-256 over the RFC 8785 JSON of `previous`, `position` and `event`, in base64',
    ),
    group: groupName
      .nullable()
      .describe('The name of the event’s group, not part of the event; null without one'),
    event: auditEvent,
  })
  .describe('An event in its place.');
export type AuditEntry = z.infer<typeof auditEntry>;

/** A position of the chain, which is the cursor of its list. */
const auditCursor = z.string().regex(/^(0|[1-9]\d{0,15})$/, 'use a position of the chain');
const exactText = remark(300).min(1);

/** Query of `GET /api/v1/audit`. */
export const auditQuery = pageQuery(auditCursor).extend({
  order: z.enum(['newest', 'oldest']).default('newest').describe('Which comes first'),
  actor: exactText.optional().describe('A name or an id; an id is not looked for among names'),
  action: exactText.optional().describe('`secret:reveal` and the like'),
  subject: exactText.optional().describe('`secret:db/password` and the like'),
  group: z
    .union([uuid, groupName], 'use the name of a group, or an id')
    .optional()
    .describe('A name or an id; a name that no group has now means all deleted ones that had it'),
  outcome: z.enum(['done', 'refused']).optional(),
  code: exactText.optional().describe('Why it was refused: `credentials.wrong`'),
  requestId: exactText.optional(),
  since: soughtInstant.optional().describe('Recorded then or later'),
  until: soughtInstant.optional().describe('Recorded before'),
});
export type AuditQuery = z.infer<typeof auditQuery>;

export const auditCheckpoint = z
  .strictObject({
    id: uuid,
    size: position.describe('The position that it ends at'),
    hash: chainHash.describe('The hash at that position, in base64'),
    note: z.string().describe('A C2SP checkpoint (tlog-checkpoint): the text to keep elsewhere'),
    createdAt: instant,
  })
  .describe('A signed head of the chain.');
export type AuditCheckpoint = z.infer<typeof auditCheckpoint>;

export const auditVerifierKeys = z.strictObject({
  keys: z.array(z.string()).describe('C2SP verifier keys (signed-note), the newest first'),
});

/** What is wrong with the chain. */
const auditBreak = z.strictObject({
  kind: z
    .enum([
      'edited',
      'deleted',
      'reordered',
      'truncated',
      'rewritten',
      'unsigned',
      'unfounded',
      'unplaced',
    ])
    .describe('`docs/audit.md` says what each means'),
  position: position.describe('Where it shows'),
});
export type AuditBreak = z.infer<typeof auditBreak>;

/** `GET /api/v1/audit/verify`. */
export const auditVerification = z.strictObject({
  intact: z.boolean(),
  base: position.describe('The chain begins after it: 0, or what retention left'),
  size: position.describe('It is intact up to this position'),
  hash: chainHash.describe('The hash at that position, in base64'),
  checkpoints: z.int().describe('How many were met on the way, where it is intact'),
  break: auditBreak.nullable().describe('The first thing that is wrong; null when it is intact'),
});
export type AuditVerification = z.infer<typeof auditVerification>;

/** Query of `GET /api/v1/audit/export`. */
export const auditExportQuery = z.strictObject({
  from: z.coerce
    .number()
    .int()
    .min(1)
    .optional()
    .describe('The first position; absent, or dropped by now: what the chain begins with'),
  to: z.coerce
    .number()
    .int()
    .min(1)
    .optional()
    .describe('The last position, which is included; absent: the end'),
});
export type AuditExportQuery = z.infer<typeof auditExportQuery>;

/**
 * The first line of an export: what the chain goes on from. `checkpoint` is the one that ends what retention
 * dropped, when the export begins there.
 */
export const auditExportBase = z.strictObject({
  base: z.strictObject({ position, hash: chainHash, checkpoint: z.string().nullable() }),
});

/**
 * Every further line. The event is taken as it is: what is hashed must not depend on what this version knows, nor
 * on what a copy of it would lose, such as a member of the name `__proto__`.
 */
export const auditExportLine = z.strictObject({
  position,
  hash: chainHash,
  event: z.custom<z.infer<ReturnType<typeof z.json>>>((event) => event !== undefined),
});
