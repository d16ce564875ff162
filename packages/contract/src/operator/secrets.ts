import { z } from 'zod';
import { instant, resourceName, uuid } from '../names.ts';

export const MAX_SECRET_BYTES = 64 * 1024;

/** Whether an agent may keep the value in its durable bundle and serve it after an offline restart. */
export const offlinePolicy = z.enum(['allow', 'deny']);

/** A secret's value: text of at most 64 KiB in UTF-8. Binary values are the writer's to encode. */
export const secretValue = z
  .string()
  .min(1)
  // Half of a surrogate pair has no UTF-8: it would be stored as another character, and the value with it.
  .refine((value) => value.isWellFormed(), 'use text that can be written in UTF-8')
  .refine(
    (value) => new TextEncoder().encode(value).byteLength <= MAX_SECRET_BYTES,
    'use at most 65536 bytes of UTF-8',
  );

/** `PUT /api/v1/groups/:group/secrets/:secret`: creates it, or adds a version. `offline` stays as it was when absent. */
export const putSecretBody = z.strictObject({
  value: secretValue,
  offline: offlinePolicy.optional(),
});

/** A secret without its value. */
export const secret = z.strictObject({
  id: uuid,
  name: resourceName,
  kind: z.literal('stored'),
  delivery: z.literal('bundle'),
  offline: offlinePolicy,
  version: z.int(),
  createdAt: instant,
  updatedAt: instant,
});
export type SecretMetadata = z.infer<typeof secret>;

export const secretVersion = z.strictObject({
  version: z.int(),
  createdAt: instant,
  createdBy: z.string(),
});

/** `POST /api/v1/groups/:group/secrets/:secret/reveal`; the current version when none is named. */
export const revealSecretBody = z.strictObject({ version: z.int32().min(1).optional() });

/** The only reply of the operator API that carries a secret's value. */
export const revealedSecret = z.strictObject({
  name: resourceName,
  version: z.int(),
  value: z.string(),
});
