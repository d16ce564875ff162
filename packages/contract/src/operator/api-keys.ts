import { z } from 'zod';
import { instant, operatorName, uuid } from '../names.ts';
import { heldRole } from './roles.ts';

const daySeconds = 24 * 3600;

/** `POST /api/v1/api-keys`. The longest life is the installation's policy, 180 days at most. */
export const createApiKeyBody = z.strictObject({
  name: operatorName,
  roles: z.array(heldRole).min(1).max(32),
  expiresInDays: z.int().min(1).max(180).optional(),
});

/** `POST /api/v1/api-keys/:key/rotate`. The old key goes on for `overlapSeconds`, and never beyond its own expiry. */
export const rotateApiKeyBody = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0)
    .max(7 * daySeconds)
    .default(daySeconds),
  expiresInDays: z.int().min(1).max(180).optional(),
});

/** `prefix` is what the key begins with: enough to find it again, of no use to whoever sees it. */
export const apiKey = z.strictObject({
  id: uuid,
  name: operatorName,
  prefix: z.string(),
  roles: z.array(heldRole),
  state: z.enum(['active', 'expired', 'revoked']),
  createdBy: z.string(),
  createdAt: instant,
  expiresAt: instant,
  lastUsedAt: instant.nullable(),
  revokedAt: instant.nullable(),
  rotatedFrom: uuid.nullable(),
});
export type ApiKey = z.infer<typeof apiKey>;

/** The reply to a creation or rotation: the only time the key is shown. */
export const createdApiKey = apiKey.extend({ key: z.string() });
