import { z } from 'zod';
import { groupName, instant, remark, soughtInstant, uuid } from '../names.ts';
import { pageQuery } from '../page.ts';

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const position = z.int().min(0);
/** SHA-256, in base64. */
const chainHash = z.string().regex(/^[A-Za-z0-9+/]{43}=$/, 'use 32 bytes in base64');

/**
 * One recorded act. `actor` is an operator, an API key, an agent, the system, or anonymous. `details` are
 * names, ids, counts and codes; `before` and `after` are of what changed.
 */
export const auditEvent = z.strictObject({
  id: uuid,
  at: instant,
  actor: z.strictObject({ kind: z.string(), id: uuid.nullable(), name: z.string() }),
  action: z.string(),
  subject: z.string(),
  groupId: uuid.nullable(),
  outcome: z.string(),
  address: z.string(),
  requestId: z.string(),
  details: z.record(
    z.string(),
    z.union([scalar, z.array(z.string()), z.record(z.string(), scalar)]),
  ),
});
export type AuditEvent = z.infer<typeof auditEvent>;

/**
 * An event in its place. `hash` is SHA-256 over RFC 8785 JSON of `{previous, position, event}`; `group` is the name of
 * the event's group, which is not part of it.
 */
export const auditEntry = z.strictObject({
  position,
  hash: chainHash,
  group: groupName.nullable(),
  event: auditEvent,
});
export type AuditEntry = z.infer<typeof auditEntry>;

/** A position of the chain, which is the cursor of its list. */
const auditCursor = z.string().regex(/^(0|[1-9]\d{0,15})$/, 'use a position of the chain');
const exactText = remark(300).min(1);

/** Query of `GET /api/v1/audit`. Newest first, unless `order` is `oldest`. */
export const auditQuery = pageQuery(auditCursor).extend({
  order: z.enum(['newest', 'oldest']).default('newest'),
  actor: exactText.optional(),
  action: exactText.optional(),
  subject: exactText.optional(),
  group: groupName.optional(),
  outcome: z.enum(['done', 'refused']).optional(),
  code: exactText.optional(),
  requestId: exactText.optional(),
  since: soughtInstant.optional(),
  until: soughtInstant.optional(),
});
export type AuditQuery = z.infer<typeof auditQuery>;

/** A signed head of the chain: `note` is a C2SP checkpoint. */
export const auditCheckpoint = z.strictObject({
  id: uuid,
  size: position,
  hash: chainHash,
  note: z.string(),
  createdAt: instant,
});
export type AuditCheckpoint = z.infer<typeof auditCheckpoint>;

/** The keys that checkpoints are verified with (C2SP signed-note), the newest first. */
export const auditVerifierKeys = z.strictObject({ keys: z.array(z.string()) });

/** What is wrong with the chain, at the position where it shows. */
const auditBreak = z.strictObject({
  kind: z.enum([
    'edited',
    'deleted',
    'reordered',
    'truncated',
    'rewritten',
    'unsigned',
    'unfounded',
    'unplaced',
  ]),
  position,
});
export type AuditBreak = z.infer<typeof auditBreak>;

/**
 * `GET /api/v1/audit/verify`: intact up to `size`, whose hash is `hash`, beginning after `base`; or where it
 * is broken. `checkpoints` is how many were met on the way.
 */
export const auditVerification = z.strictObject({
  intact: z.boolean(),
  base: position,
  size: position,
  hash: chainHash,
  checkpoints: z.int(),
  break: auditBreak.nullable(),
});
export type AuditVerification = z.infer<typeof auditVerification>;

/** Query of `GET /api/v1/audit/export`: positions, both included. */
export const auditExportQuery = z.strictObject({
  from: z.coerce.number().int().min(1).optional(),
  to: z.coerce.number().int().min(1).optional(),
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
