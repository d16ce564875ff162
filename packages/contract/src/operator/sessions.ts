import { z } from 'zod';
import { instant, operatorName, uuid } from '../names.ts';
import { newPassword } from './operators.ts';
import { heldRole } from './roles.ts';

const currentPassword = z.string().min(1).max(1024);
export const totpCode = z
  .string()
  .regex(/^\d{6}$/, 'use the six digits that the app shows')
  .describe('What an authenticator app shows (RFC 6238); good once');

/** `POST /api/v1/sessions`. */
export const signInBody = z.strictObject({
  name: operatorName,
  password: currentPassword,
  totp: totpCode.optional().describe('Asked for with `totp.required`, once the password was right'),
  cookie: z
    .boolean()
    .default(false)
    .describe(
      'Whether the token is to come as a cookie that scripts cannot read, and not in the body; see `docs/operators.md` for what such a request needs',
    ),
});

/** Who calls, and what it may do. */
export const principal = z.strictObject({
  kind: z.enum(['operator', 'apiKey']).describe('A person who signed in, or a program by its key'),
  id: uuid,
  name: z.string(),
  roles: z.array(heldRole),
});

export type Principal = z.infer<typeof principal>;

/** `GET /api/v1/me`. */
export const self = principal.extend({
  expiresAt: instant.describe('When the session or the API key ends'),
});

/** The reply to a sign-in by cookie. */
export const cookieSession = z.strictObject({
  expiresAt: instant.describe('When it ends, however much it is used'),
  operator: principal,
});

/** The reply to a sign-in. */
export const session = cookieSession.extend({ token: z.string().describe('Shown this once') });

/** One of the caller's sessions. */
export const listedSession = z.strictObject({
  id: uuid,
  address: z.string().describe('Where it was opened from'),
  createdAt: instant,
  lastUsedAt: instant.describe('To the minute'),
  expiresAt: instant.describe('When it ends, however much it is used'),
  current: z.boolean().describe('Whether it is the one that asks'),
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

/** The reply to `POST /api/v1/me/totp`. */
export const createdTotp = z.strictObject({
  secret: z.string().describe('In base32, for typing it in; shown this once'),
  uri: z.string().describe('The same as `otpauth://`, for a QR code'),
});

/** `POST /api/v1/me/totp/confirm`. */
export const confirmTotpBody = z.strictObject({ code: totpCode });

/** `DELETE /api/v1/me/totp`. */
export const removeTotpBody = z.strictObject({ password: currentPassword, code: totpCode });
