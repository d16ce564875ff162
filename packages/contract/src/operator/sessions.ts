import { z } from 'zod';
import { instant, operatorName, uuid } from '../names.ts';
import { heldRole } from './roles.ts';

/** `POST /api/v1/sessions`. */
export const signInBody = z.strictObject({
  name: operatorName,
  password: z.string().min(1).max(1024),
});

/** Who calls, and what it may do: an operator, or automation by its API key. */
export const principal = z.strictObject({
  kind: z.enum(['operator', 'apiKey']),
  id: uuid,
  name: z.string(),
  roles: z.array(heldRole),
});

export type Principal = z.infer<typeof principal>;

/** `GET /api/v1/me`. `expiresAt` is when the session or the API key ends. */
export const self = principal.extend({ expiresAt: instant });

/** The reply to a sign-in: the only time the token is shown. */
export const session = z.strictObject({
  token: z.string(),
  expiresAt: instant,
  operator: principal,
});
