import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroup } from '../groups/index.ts';
import { Keyring } from '../keyrings/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { secretValueField } from './secret-field.ts';
import { existingSecret, type SecretPath } from './secrets.service.ts';
import { findVersion } from './secrets.store.ts';

export type RevealedSecret = { name: string; version: number; value: string };

/**
 * The one way for a value to leave through the operator API. The audit event is committed before the
 * value is released.
 */
export async function revealSecret(
  platform: Platform,
  op: Operation,
  path: SecretPath,
  wanted?: number,
): Promise<RevealedSecret> {
  const { db, clock } = platform;
  const group = await authorizedGroup(platform, op, 'secret:reveal', path.group);
  return db.transaction(async (tx) => {
    const secret = await existingSecret(tx, group.id, path.secret);
    const row = await findVersion(tx, secret.id, wanted ?? secret.version);
    if (row === undefined)
      throw new AppError(
        'secret.version_not_found',
        'This secret has no such version; list its versions first.',
      );
    const value = await Keyring.use(tx, platform, group.id, async (keyring) =>
      keyring.open(secretValueField(row.id), {
        sealed: row.sealedValue,
        keyVersion: row.keyVersion,
      }),
    );
    const act = {
      action: 'secret:reveal',
      subject: `secret:${path.secret}`,
      groupId: group.id,
      outcome: 'done',
    } as const;
    await appendAuditEvent(tx, op, { ...act, details: { version: row.version } }, clock.now());
    const revealed = { name: path.secret, version: row.version, value: value.toString('utf8') };
    value.fill(0);
    return revealed;
  });
}
