import { z } from 'zod';
import { instant, operatorName, uuid } from '../names.ts';
import { heldRole } from './roles.ts';

/** A password as it is chosen; signing in takes whatever was once accepted. */
export const newPassword = z.string().min(12, 'use at least 12 characters').max(1024);

/** `POST /api/v1/operators`. */
export const createOperatorBody = z.strictObject({
  name: operatorName,
  password: newPassword,
  roles: z
    .array(heldRole)
    .max(32)
    .default([])
    .describe('Without one it can sign in and do nothing else'),
});

/** `PUT /api/v1/operators/:operator/password`. */
export const resetPasswordBody = z.strictObject({ password: newPassword });

export const operator = z.strictObject({
  id: uuid,
  name: operatorName,
  roles: z.array(heldRole),
  createdAt: instant,
});
export type Operator = z.infer<typeof operator>;
