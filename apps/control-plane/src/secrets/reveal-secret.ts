import type { RevealedSecret } from '@sallyport/contract';
import { recordAct } from '../audit/index.ts';
import { FRESH_MS, type Operation } from '../authorization/index.ts';
import { authorizedGroup } from '../groups/index.ts';
import type { Platform } from '../platform/platform.ts';
import { openVersion } from './open-version.ts';
import { secretNotFound, versionNotFound, type SecretPath } from './secrets.service.ts';
import { findSealedVersion } from './secrets.store.ts';

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
  const begunMs = platform.clock.now();
  const group = await authorizedGroup(platform, op, 'secret:reveal', path.group);
  const at = { groupId: group.id, name: path.secret };
  const row = await findSealedVersion(platform.db, at, wanted);
  if (row === undefined) throw secretNotFound();
  if (row.version === null) throw versionNotFound();
  const { version, kind } = row;
  const value = await openVersion(platform, group.id, row);
  try {
    await recordAct(platform, op, {
      action: 'secret:reveal',
      subject: `secret:${path.secret}`,
      groupId: group.id,
      outcome: 'done',
      details: { version },
    });
    await refuseLostRight(platform, op, path, begunMs);
    return { name: path.secret, version, kind, value: value.toString('utf8') };
  } finally {
    value.fill(0);
  }
}

/** The right may have been lost while the act waited for the database. That it is recorded as done does no harm. */
async function refuseLostRight(
  platform: Platform,
  op: Operation,
  { group }: SecretPath,
  begunMs: number,
): Promise<void> {
  if (Math.abs(platform.clock.now() - begunMs) <= FRESH_MS) return;
  const now = await op.renew?.();
  if (now !== undefined) await authorizedGroup(platform, now, 'secret:reveal', group);
}
