import type { SecretMetadata } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroup, changeGroup, entryBytes } from '../groups/index.ts';
import type { Precondition } from '../http/preconditions.ts';
import { sealForGroup } from '../keyrings/index.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { secretValueField } from './secret-field.ts';
import { shownSecret, type SecretPath } from './secrets.service.ts';
import {
  insertVersion,
  upsertSecret,
  type OfflinePolicy,
  type SecretState,
} from './secrets.store.ts';

/**
 * Creates a secret, or adds a version to it: every put is a new version, so that what agents hold can be
 * told apart. `created` tells which of the two it was.
 */
export async function putSecret(
  platform: Platform,
  op: Operation,
  path: SecretPath,
  body: { value: string; offline?: OfflinePolicy | undefined },
  precondition: Precondition,
): Promise<{ secret: SecretMetadata; created: boolean }> {
  const { clock } = platform;
  const group = await authorizedGroup(platform, op, 'secret:write', path.group);
  const plaintext = Buffer.from(body.value, 'utf8');
  const written = entryBytes(path.secret, plaintext);
  return changeGroup(platform, { ...group, written }, async (tx, revision) => {
    const now = new Date(clock.now());
    const versionId = newId();
    const field = { ...secretValueField(versionId), groupId: group.id };
    // What does not wait for one another goes to the database at once: agents wait for all of it.
    const [{ secret, before }, sealed] = await Promise.all([
      upsertSecret(tx, group.id, path.secret, body.offline, now),
      sealForGroup(tx, platform, field, plaintext),
    ]);
    precondition.check(before);
    const { name: createdBy } = op.actor;
    const version = {
      id: versionId,
      version: secret.version,
      createdBy,
      createdAt: now,
      ...sealed,
    };
    const details = {
      version: secret.version,
      revision,
      offline: secret.offline,
      ...(before === undefined ? {} : { before: changing(before) }),
      after: changing(secret),
    };
    const act = {
      action: 'secret:write',
      subject: `secret:${path.secret}`,
      groupId: group.id,
      outcome: 'done',
      details,
    } as const;
    await Promise.all([
      insertVersion(tx, { groupId: group.id, secretId: secret.id }, version),
      appendAuditEvent(tx, op, act, clock.now()),
    ]);
    return { secret: shownSecret(secret), created: secret.version === 1 };
  });
}

/** What of a secret a new version may change, besides its value. */
function changing({ version, offline }: SecretState) {
  return { version, offline };
}
