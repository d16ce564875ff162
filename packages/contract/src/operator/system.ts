import { z } from 'zod';

/** `GET /api/v1/system/info`. `caFingerprint` is the SHA-256 that agents and the CLI pin at first contact. */
export const systemInfo = z.strictObject({
  version: z.string(),
  protocol: z.int(),
  caFingerprint: z.string(),
  agentUrl: z.url(),
});

/** A column of the database that holds something sensitive. `key` opens it; null where nothing does. */
const sensitiveColumn = z.strictObject({
  table: z.string(),
  column: z.string(),
  holds: z.string(),
  class: z.string(),
  protection: z.string(),
  key: z.string().nullable(),
});
export type SensitiveColumn = z.infer<typeof sensitiveColumn>;

/** `GET /api/v1/system/sensitive-data`. */
export const sensitiveData = z.strictObject({ columns: z.array(sensitiveColumn) });
