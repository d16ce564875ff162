import { z } from 'zod';
import { instant, operatorName, uuid } from '../names.ts';
import { newPassword } from './operators.ts';
import { heldRole } from './roles.ts';

const currentPassword = z.string().min(1).max(1024);
/** What an authenticator app shows (RFC 6238). */
export const totpCode = z.string().regex(/^\d{6}$/, 'use the six digits that the app shows');

/**
 * `POST /api/v1/sessions`. `totp` is asked for, with `totp.required`, once the password was right. With
 * `cookie` the token comes as a cookie that scripts cannot read, and not in the body.
 */
export const signInBody = z.strictObject({
  name: operatorName,
  password: currentPassword,
  totp: totpCode.optional(),
  cookie: z.boolean().default(false),
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

/** The reply to a sign-in by cookie. */
export const cookieSession = z.strictObject({ expiresAt: instant, operator: principal });

/** The reply to a sign-in: the only time the token is shown. */
export const session = cookieSession.extend({ token: z.string() });

/** One of the caller's sessions. `lastUsedAt` is true to the minute; `current` is the one that asks. */
export const listedSession = z.strictObject({
  id: uuid,
  address: z.string(),
  createdAt: instant,
  lastUsedAt: instant,
  expiresAt: instant,
  current: z.boolean(),
});

/** `POST /api/v1/me/password`. */
export const changePasswordBody = z
  .strictObject({ current: currentPassword, new: newPassword })
  .refine((body) => body.new !== body.current, {
    path: ['new'],
    message: 'use another than the present one',
  });

/** `POST /api/v1/me/totp`. */
export const createTotpBody = z.strictObject({ password: currentPassword });

/** The reply to `POST /api/v1/me/totp`: the only time that the secret is shown. */
export const createdTotp = z.strictObject({ secret: z.string(), uri: z.string() });

/** `POST /api/v1/me/totp/confirm`. */
export const confirmTotpBody = z.strictObject({ code: totpCode });

/** `DELETE /api/v1/me/totp`. */
export const removeTotpBody = z.strictObject({ password: currentPassword, code: totpCode });
