import type { PageQuery, SecretMetadata, SecretVersion } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { changeGroup, authorizedGroup } from '../groups/index.ts';
import type { Precondition } from '../http/preconditions.ts';
import { endLeases } from '../leases/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import { stateOf } from './secret-settings.ts';
import {
  deleteSecret,
  findSecret,
  listSecrets,
  listVersions,
  type SecretRow,
} from './secrets.store.ts';

/** The names in a request's path. */
export type SecretPath = { group: string; secret: string };

export async function getSecret(
  platform: Platform,
  op: Operation,
  path: SecretPath,
): Promise<SecretMetadata> {
  const group = await authorizedGroup(platform, op, 'secret:read', path.group);
  return shownSecret(
    await platform.db.read((reader) => existingSecret(reader, group.id, path.secret)),
  );
}

export async function listGroupSecrets(
  platform: Platform,
  op: Operation,
  groupName: string,
  query: PageQuery,
): Promise<Page<SecretMetadata>> {
  const group = await authorizedGroup(platform, op, 'secret:read', groupName);
  const rows = await platform.db.read((reader) => listSecrets(reader, group.id, query));
  return pageOf(rows.map(shownSecret), query.limit, (secret) => secret.name);
}

/** A secret's versions, newest first, without values. */
export async function listSecretVersions(
  platform: Platform,
  op: Operation,
  path: SecretPath,
  query: PageQuery,
): Promise<Page<SecretVersion>> {
  const group = await authorizedGroup(platform, op, 'secret:read', path.group);
  const rows = await platform.db.read(async (reader) => {
    const secret = await existingSecret(reader, group.id, path.secret);
    return listVersions(reader, secret, query);
  });
  const versions = rows.map(({ version, kind, createdAt, createdBy }) => ({
    version,
    kind,
    createdAt: createdAt.toISOString(),
    createdBy,
  }));
  return pageOf(versions, query.limit, ({ version }) => String(version));
}

/** Deletes a secret with all its versions; agents drop it with the next revision. */
export async function removeSecret(
  platform: Platform,
  op: Operation,
  path: SecretPath,
  precondition: Precondition,
): Promise<void> {
  const { clock } = platform;
  const group = await authorizedGroup(platform, op, 'secret:delete', path.group);
  await changeGroup(platform, group, async (tx, revision) => {
    const secret = await existingSecret(tx, group.id, path.secret);
    precondition.check(stateOf(secret));
    await deleteSecret(tx, secret.id);
    await endLeases(tx, { secretId: secret.id }, 'secretDeleted', new Date(clock.now()));
    const details = { version: secret.version, revision };
    const act = {
      action: 'secret:delete',
      subject: `secret:${path.secret}`,
      groupId: group.id,
      outcome: 'done',
      details,
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
  });
}

/** @throws AppError `secret.not_found` */
export async function existingSecret(db: Db, groupId: string, name: string): Promise<SecretRow> {
  const secret = await findSecret(db, groupId, name);
  if (secret === undefined) throw secretNotFound();
  return secret;
}

export function secretNotFound(): AppError {
  return new AppError(
    'secret.not_found',
    'There is no such secret in this group, or you may not see it.',
  );
}

export function versionNotFound(): AppError {
  return new AppError(
    'secret.version_not_found',
    'This secret has no such version; list its versions first.',
  );
}

export function shownSecret({
  id,
  name,
  kind,
  delivery,
  offline,
  lease,
  version,
  createdAt,
  updatedAt,
}: SecretRow): SecretMetadata {
  return {
    id,
    name,
    kind,
    delivery,
    offline,
    lease,
    version,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}
