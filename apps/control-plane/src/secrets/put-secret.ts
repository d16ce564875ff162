import type { PutSecretBody, SecretMetadata } from '@sallyport/contract';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroup, changeGroup, entryBytes } from '../groups/index.ts';
import type { Precondition } from '../http/preconditions.ts';
import type { Platform } from '../platform/platform.ts';
import type { SecretPath } from './secrets.service.ts';
import { writeVersion } from './write-version.ts';

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
  const group = await authorizedGroup(platform, op, 'secret:write', path.group);
  const plaintext = Buffer.from(body.value ?? body.reference ?? '', 'utf8');
  const settings = {
    kind: body.reference === undefined ? ('stored' as const) : ('reference' as const),
    offline: body.offline,
    lease: body.lease,
  };
  const written = entryBytes(path.secret, plaintext);
  return changeGroup(platform, { ...group, written }, async (tx, revision) => {
    const version = { groupId: group.id, revision, name: path.secret, plaintext, settings };
    const secret = await writeVersion(tx, platform, op, { ...version, precondition });
    return { secret, created: secret.version === 1 };
  });
}
