import { z } from 'zod';
import { instant, operatorName, uuid } from '../names.ts';
import { heldRole } from './roles.ts';

const daySeconds = 24 * 3600;

const expiresInDays = z
  .int()
  .min(1)
  .max(180)
  .optional()
  .describe(
    'Absent: 90, unless the installation says otherwise, which may also allow fewer than 180',
  );

/** `POST /api/v1/api-keys`. */
export const createApiKeyBody = z.strictObject({
  name: operatorName,
  roles: z.array(heldRole).min(1).max(32),
  expiresInDays,
});

/** `POST /api/v1/api-keys/:key/rotate`. */
export const rotateApiKeyBody = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0)
    .max(7 * daySeconds)
    .default(daySeconds)
    .describe('For how long the old key goes on, never beyond its own expiry'),
  expiresInDays,
});

export const apiKey = z.strictObject({
  id: uuid,
  name: operatorName,
  prefix: z
    .string()
    .describe('What the key begins with, its id: no other key does, and it is of no use alone'),
  roles: z.array(heldRole),
  state: z.enum(['active', 'expired', 'revoked']),
  createdBy: z.string().describe('Name of the operator or API key'),
  createdAt: instant,
  expiresAt: instant,
  lastUsedAt: instant.nullable().describe('To the minute; null before the first time'),
  revokedAt: instant.nullable().describe('Null for one that was not'),
  rotatedFrom: uuid.nullable().describe('The key whose place it took; null for one that is new'),
});
export type ApiKey = z.infer<typeof apiKey>;

/** The reply to a creation or rotation. */
export const createdApiKey = apiKey.extend({ key: z.string().describe('Shown this once') });
