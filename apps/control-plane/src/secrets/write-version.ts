import type { SecretMetadata } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import type { Precondition } from '../http/preconditions.ts';
import { sealForGroup } from '../keyrings/index.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { secretValueField } from './secret-field.ts';
import { auditedSettings, refuseUnlendable, stateOf } from './secret-settings.ts';
import { shownSecret } from './secrets.service.ts';
import {
  insertVersion,
  upsertSecret,
  type SecretRow,
  type SecretSettings,
} from './secrets.store.ts';

/** `restored` is the version whose value it is once more. */
export type NewVersion = {
  groupId: string;
  revision: number;
  name: string;
  plaintext: Uint8Array;
  settings: SecretSettings & Pick<SecretRow, 'kind'>;
  precondition: Precondition;
  restored?: number;
};

/**
 * Writes a version of a secret, its first or its next, and its audit event. The group's row must be held.
 *
 * @throws AppError `precondition.failed`; `request.invalid` for what does not go with a lease; `keyring.exhausted`
 */
export async function writeVersion(
  tx: Db,
  platform: Platform,
  op: Operation,
  { groupId, revision, name, plaintext, settings, precondition, restored }: NewVersion,
): Promise<SecretMetadata> {
  const { clock } = platform;
  const now = new Date(clock.now());
  const id = newId();
  const field = { ...secretValueField(id), groupId };
  // Both at once, as neither needs the other's result and agents wait for the commit.
  const [{ secret, before }, sealed] = await Promise.all([
    upsertSecret(tx, { groupId, name, now }, settings),
    sealForGroup(tx, platform, field, plaintext),
  ]);
  precondition.check(before && stateOf(before));
  refuseUnlendable(secret);
  const { version, offline } = secret;
  const row = {
    id,
    version,
    kind: settings.kind,
    createdBy: op.actor.name,
    createdAt: now,
    ...sealed,
  };
  const act = {
    action: restored === undefined ? 'secret:write' : 'secret:restore',
    subject: `secret:${name}`,
    groupId,
    outcome: 'done',
    details: {
      version,
      revision,
      offline,
      ...(restored === undefined ? {} : { from: restored }),
      ...(before === undefined ? {} : { before: auditedSettings(before) }),
      after: auditedSettings(secret),
    },
  } as const;
  await Promise.all([
    insertVersion(tx, { groupId, secretId: secret.id }, row),
    appendAuditEvent(tx, op, act, clock.now()),
  ]);
  return shownSecret(secret);
}
