import type { PutSecretBody, SecretMetadata } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroup, changeGroup, entryBytes } from '../groups/index.ts';
import type { Precondition } from '../http/preconditions.ts';
import { sealForGroup } from '../keyrings/index.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { secretValueField } from './secret-field.ts';
import { changing, refuseUnlendable, stateOf } from './secret-settings.ts';
import { shownSecret, type SecretPath } from './secrets.service.ts';
import { insertVersion, upsertSecret } from './secrets.store.ts';

/**
 * Creates a secret, or adds a version to it: every put is a new version, so that what agents hold can be
 * told apart. `created` tells which of the two it was.
 *
 * @throws AppError `request.invalid` for what does not go with a lease, and of `changeGroup`
 */
export async function putSecret(
  platform: Platform,
  op: Operation,
  path: SecretPath,
  body: PutSecretBody,
  precondition: Precondition,
): Promise<{ secret: SecretMetadata; created: boolean }> {
  const { clock } = platform;
  const group = await authorizedGroup(platform, op, 'secret:write', path.group);
  const plaintext = Buffer.from(body.value ?? body.reference ?? '', 'utf8');
  const settings = {
    kind: body.reference === undefined ? ('stored' as const) : ('reference' as const),
    offline: body.offline,
    lease: body.lease,
  };
  const written = entryBytes(path.secret, plaintext);
  return changeGroup(platform, { ...group, written }, async (tx, revision) => {
    const now = new Date(clock.now());
    const versionId = newId();
    const field = { ...secretValueField(versionId), groupId: group.id };
    // What does not wait for one another goes to the database at once: agents wait for all of it.
    const [{ secret, before }, sealed] = await Promise.all([
      upsertSecret(tx, { groupId: group.id, name: path.secret, now }, settings),
      sealForGroup(tx, platform, field, plaintext),
    ]);
    precondition.check(before && stateOf(before));
    refuseUnlendable(secret);
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
