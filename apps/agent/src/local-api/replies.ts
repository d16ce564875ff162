import { z } from 'zod';

/** The body of `GET /v1/secrets/{name}`; `field` is there when one was asked for, and `value` is that of the field. */
export const secretReply = z.object({
  name: z.string(),
  version: z.int(),
  revision: z.int(),
  field: z.string().optional(),
  value: z.string(),
});

/** The body of `GET /v1/certificates/{name}`: PEM both, the chain without its root. */
export const certificateReply = secretReply
  .omit({ value: true, field: true })
  .extend({ chain: z.string(), key: z.string() });

/** A lease, as `POST /v1/leases/{id}/renew` answers; `usesLeft` null: any number. */
export const leaseReply = z.object({
  id: z.string(),
  secret: z.string(),
  version: z.int(),
  expiresAt: z.string(),
  lastsUntil: z.string(),
  usesLeft: z.int().nullable(),
});

/** The same with its value: `POST /v1/leases` and `GET /v1/leases/{id}`. */
export const lentReply = leaseReply.extend({ value: z.string() });

/** The body of `GET /v1/secrets` and of the other lists; `complete`: nothing is missing that no disk may keep. */
export const listReply = z.object({
  revision: z.int(),
  complete: z.boolean().default(true),
  items: z.array(z.object({ name: z.string(), version: z.int() })),
});
