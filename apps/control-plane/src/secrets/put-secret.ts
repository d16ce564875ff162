import type { LeasePolicy, PutSecretBody, SecretMetadata } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroup, changeGroup, entryBytes } from '../groups/index.ts';
import type { Precondition } from '../http/preconditions.ts';
import { sealForGroup } from '../keyrings/index.ts';
import { AppError } from '../platform/app-error.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { secretValueField } from './secret-field.ts';
import { shownSecret, type SecretPath } from './secrets.service.ts';
import { insertVersion, upsertSecret, type SecretRow, type SecretState } from './secrets.store.ts';

/**
 * Creates a secret, or adds a version to it: every put is a new version, so that what agents hold can be
 * told apart. `created` tells which of the two it was.
 *
 * @throws AppError `request.invalid` for what does not go with a lease, and those of `changeGroup`
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
    // Both at once, as neither needs the other's result and agents wait for the commit.
    const [{ secret, before }, sealed] = await Promise.all([
      upsertSecret(tx, { groupId: group.id, name: path.secret, now }, settings),
      sealForGroup(tx, platform, field, plaintext),
    ]);
    precondition.check(before);
    refuseUnlendable(secret);
    const { name: createdBy } = op.actor;
    const version = {
      id: versionId,
      version: secret.version,
      kind: settings.kind,
      createdBy,
      createdAt: now,
      ...sealed,
    };
    const details = {
      version: secret.version,
      revision,
      offline: secret.offline,
      ...(before === undefined ? {} : { before: auditedSettings(before) }),
      after: auditedSettings(secret),
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

/** Only a value that the control plane itself has, and that no disk keeps, can be lent out. */
function refuseUnlendable({ lease, kind, offline }: SecretRow): void {
  if (lease === null) return;
  if (kind === 'reference')
    throw unlendable(
      'reference',
      'cannot be lent out, since agents look it up when asked: leave the lease out, or take away the one it has, by lease: null or --no-lease',
    );
  if (offline === 'allow')
    throw unlendable('offline', 'may not be allow for a secret that is lent out');
  // The schema cannot check this: either of them may stem from an earlier write.
  if (lease.maxTtlSeconds < lease.ttlSeconds)
    throw unlendable(
      'lease.maxTtlSeconds',
      `is ${lease.maxTtlSeconds} seconds, and may not be shorter than one lease lasts`,
    );
}

function unlendable(field: string, message: string): AppError {
  return new AppError('request.invalid', `The request is not valid: see body.${field}.`, {
    issues: [{ field: `body.${field}`, message }],
  });
}

/** A secret's settings, as the audit shows them before and after a write. */
function auditedSettings({ version, kind, delivery, offline, lease }: SecretState) {
  return { version, kind, delivery, offline, ...(lease === null ? {} : shownPolicy(lease)) };
}

function shownPolicy({ ttlSeconds, maxTtlSeconds, maxUses, windows }: LeasePolicy) {
  const hours = windows.map(
    ({ days, from, until, timeZone }) => `${days.join(',')} ${from}-${until} ${timeZone}`,
  );
  return { ttlSeconds, maxTtlSeconds, maxUses, windows: hours.join('; ') };
}
