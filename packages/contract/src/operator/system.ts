import { z } from 'zod';

/** `GET /api/v1/system/info`. */
export const systemInfo = z.strictObject({
  version: z.string(),
  protocol: z.int().describe('The newest agent protocol that it speaks'),
  caFingerprint: z
    .string()
    .describe('`SHA256:AA:BB:…` of the CA of the agent API, which agents pin at first contact'),
  agentUrl: z.url().describe('Where agents reach the agent API'),
});

/** A column of the database that holds something sensitive. */
const sensitiveColumn = z.strictObject({
  table: z.string(),
  column: z.string(),
  holds: z.string(),
  class: z.string(),
  protection: z.string(),
  key: z.string().nullable().describe('What opens it; null where nothing does'),
});
export type SensitiveColumn = z.infer<typeof sensitiveColumn>;

/** `GET /api/v1/system/sensitive-data`. */
export const sensitiveData = z.strictObject({ columns: z.array(sensitiveColumn) });
