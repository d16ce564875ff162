import { hashPassword } from '@sallyport/crypto/password';
import { appendAuditEvent } from '../audit/index.ts';
import { systemOperation } from '../authorization/index.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { heldRolesOf, insertRoleBindings, type NamedGrant } from '../role-bindings/index.ts';
import { findInstallation } from '../trust/index.ts';
import { generatePassword } from './generated-password.ts';
import { unlock } from './lockout.store.ts';
import { putOperator } from './operators.store.ts';
import { deleteSessionsOf } from './sessions.store.ts';
import { deleteTotp } from './totp.store.ts';

const BY = 'reset-owner';

/** `created` when there was no operator of this name. The password is there once, for the person who asked for it. */
export type RestoredOwner = { password: string; created: boolean };

/**
 * Lets an operator of this name, made anew if there is none, sign in as an owner everywhere: with a new password,
 * without a second factor, however often somebody has failed before. Its sessions end. For whoever has the root key
 * of the database, and nobody to ask: so it asks for no right.
 *
 * @throws WrongRootKey, Error for a database without an installation
 */
export async function restoreOwner(
  platform: Pick<Platform, 'db' | 'rootKeys' | 'clock' | 'passwordPolicy'>,
  name: string,
): Promise<RestoredOwner> {
  const { db, rootKeys, clock, passwordPolicy } = platform;
  const named = await db.read((reader) => findInstallation(reader));
  if (named === undefined)
    throw new Error('this database holds no installation; the first start makes its owner');
  rootKeys.named(named);
  const password = generatePassword();
  const passwordHash = await hashPassword(password, passwordPolicy);
  const createdAt = new Date(clock.now());
  const created = await db.transaction(async (tx) => {
    const put = await putOperator(tx, { id: newId(), name, passwordHash, createdAt });
    await unlock(tx, name, createdAt);
    const changed = ['password'];
    if (await deleteTotp(tx, put.id)) changed.push('secondFactor');
    if (await grantOwner(tx, put.id, createdAt)) changed.push('role');
    const act = {
      action: 'operator:reset-owner',
      subject: `operator:${name}`,
      outcome: 'done',
      details: { created: put.created, changed, sessions: await deleteSessionsOf(tx, put.id) },
    } as const;
    await appendAuditEvent(tx, systemOperation(BY), act, clock.now());
    return put.created;
  });
  return { password, created };
}

/** False when the operator is an owner everywhere already. */
async function grantOwner(tx: Db, operatorId: string, createdAt: Date): Promise<boolean> {
  const isOwner = ({ role, groupId }: NamedGrant) => role === 'owner' && groupId === null;
  if ((await heldRolesOf(tx, { operatorId })).some(isOwner)) return false;
  const grant = { role: 'owner', groupId: null } as const;
  await insertRoleBindings(tx, { operatorId }, [grant], { createdBy: BY, createdAt });
  return true;
}
