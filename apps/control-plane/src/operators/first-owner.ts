import type { Secret } from '@sallyport/config/secret';
import { hashPassword } from '@sallyport/crypto/password';
import { appendAuditEvent } from '../audit/index.ts';
import { systemOperation } from '../authorization/index.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { insertRoleBindings } from '../role-bindings/index.ts';
import { generatePassword } from './generated-password.ts';
import { countOperators, insertOperator } from './operators.store.ts';

/** The first operator. `generatedPassword` is there once: when it was made here, for the person who starts the server. */
export type FirstOwner = { name: string; generatedPassword?: string };

/** Makes the first owner when there is no operator yet. The caller holds the first-start lock. */
export async function createFirstOwner(
  tx: Db,
  { clock, passwordPolicy }: Platform,
  owner: { name: string; password?: Secret | undefined },
): Promise<FirstOwner | undefined> {
  if ((await countOperators(tx)) > 0) return undefined;
  const generatedPassword = owner.password === undefined ? generatePassword() : undefined;
  const password = generatedPassword ?? owner.password?.reveal() ?? '';
  const passwordHash = await hashPassword(password, passwordPolicy);
  const createdAt = new Date(clock.now());
  const id = newId();
  await insertOperator(tx, { id, name: owner.name, passwordHash, createdAt });
  await insertRoleBindings(tx, { operatorId: id }, [{ role: 'owner', groupId: null }], {
    createdBy: 'first start',
    createdAt,
  });
  const act = {
    action: 'operator:create',
    subject: `operator:${owner.name}`,
    outcome: 'done',
    details: { role: 'owner' },
  } as const;
  await appendAuditEvent(tx, systemOperation('first start'), act, clock.now());
  return generatedPassword === undefined
    ? { name: owner.name }
    : { name: owner.name, generatedPassword };
}
