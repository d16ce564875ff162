import { z } from 'zod';
import { instant, operatorName, uuid } from '../names.ts';

export const roles = ['owner', 'admin', 'operator', 'auditor', 'viewer'] as const;
export const role = z.enum(roles);
export type Role = z.infer<typeof role>;

/** `POST /api/v1/sessions`. */
export const signInBody = z.strictObject({
  name: operatorName,
  password: z.string().min(1).max(1024),
});

export const operator = z.strictObject({ id: uuid, name: operatorName, role });

/** The reply to a sign-in: the only time the token is shown. */
export const session = z.strictObject({ token: z.string(), expiresAt: instant, operator });
