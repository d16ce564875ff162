import type { PatchSecretBody, SecretMetadata } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroup, changeGroup } from '../groups/index.ts';
import type { Precondition } from '../http/preconditions.ts';
import type { Platform } from '../platform/platform.ts';
import { auditedSettings, refuseUnlendable, stateOf, unlendable } from './secret-settings.ts';
import { existingSecret, shownSecret, type SecretPath } from './secrets.service.ts';
import { updateSettings, type SecretRow } from './secrets.store.ts';

/**
 * Changes how agents are given a secret. Value and version stay: what is sealed stays as it is, and agents hear of it
 * by the group's revision.
 *
 * @throws AppError `secret.not_found`, `precondition.failed`, `request.invalid` for what does not go with a lease
 */
export async function updateSecret(
  platform: Platform,
  op: Operation,
  path: SecretPath,
  change: PatchSecretBody,
  precondition: Precondition,
): Promise<SecretMetadata> {
  const { clock } = platform;
  const group = await authorizedGroup(platform, op, 'secret:write', path.group);
  return changeGroup(platform, group, async (tx, revision) => {
    const before = await existingSecret(tx, group.id, path.secret);
    precondition.check(stateOf(before));
    if (change.lease) refuseUnlent(before, change.lease);
    const secret = await updateSettings(tx, { id: before.id, now: new Date(clock.now()) }, change);
    refuseUnlendable(secret);
    const act = {
      action: 'secret:update',
      subject: `secret:${path.secret}`,
      groupId: group.id,
      outcome: 'done',
      details: {
        version: secret.version,
        revision,
        before: auditedSettings(before),
        after: auditedSettings(secret),
      },
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
    return shownSecret(secret);
  });
}

/** What cannot be lent out, or is not yet, and nobody says for how long. */
function refuseUnlent(
  { kind, lease }: SecretRow,
  { ttlSeconds }: { ttlSeconds?: number | undefined },
): void {
  if (kind === 'reference')
    throw unlendable('lease', 'is not for a reference, which agents look up when asked');
  if (lease === null && ttlSeconds === undefined)
    throw unlendable('lease.ttlSeconds', 'is missing: this secret is not lent out so far');
}
