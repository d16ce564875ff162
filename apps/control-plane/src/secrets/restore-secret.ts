import { referenceShape, type SecretMetadata } from '@sallyport/contract';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroup, changeGroup, entryBytes, refuseTooLarge } from '../groups/index.ts';
import type { Precondition } from '../http/preconditions.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { openVersion } from './open-version.ts';
import { existingSecret, versionNotFound, type SecretPath } from './secrets.service.ts';
import { findVersionOf, type SecretRow } from './secrets.store.ts';
import { writeVersion } from './write-version.ts';

/**
 * Makes a new version with the value of an earlier one, which is opened and sealed anew for its new row, and shown to
 * nobody. How agents are given the secret stays.
 *
 * @throws AppError `secret.not_found`, `secret.version_not_found`, `secret.other_kind`, `precondition.failed`,
 * `envelope.unreadable`, and of `changeGroup`
 */
export async function restoreSecret(
  platform: Platform,
  op: Operation,
  path: SecretPath,
  restored: number,
  precondition: Precondition,
): Promise<SecretMetadata> {
  const group = await authorizedGroup(platform, op, 'secret:write', path.group);
  return changeGroup(platform, group, async (tx, revision) => {
    const secret = await existingSecret(tx, group.id, path.secret);
    const sealed = await findVersionOf(tx, { groupId: group.id, secretId: secret.id }, restored);
    if (sealed === undefined) throw versionNotFound();
    const plaintext = await openVersion(platform, group.id, sealed);
    try {
      const isNewest = restored === secret.version;
      if (!isNewest) refuseOtherKind(secret, sealed.kind ?? kindOf(plaintext));
      const settings = { kind: secret.kind };
      const version = { groupId: group.id, revision, name: path.secret, plaintext, settings };
      const shown = await writeVersion(tx, platform, op, { ...version, precondition, restored });
      await refuseTooLarge(tx, group.id, entryBytes(path.secret, plaintext));
      return shown;
    } finally {
      plaintext.fill(0);
    }
  });
}

/**
 * Of a version from before kinds were kept its text has to say it: a reference is never served as a value, and no value
 * is looked up as a reference.
 */
function kindOf(plaintext: Buffer): SecretRow['kind'] {
  const reads = referenceShape.safeParse(plaintext.toString('utf8'));
  return reads.success ? 'reference' : 'stored';
}

function refuseOtherKind({ kind }: SecretRow, earlier: SecretRow['kind']): void {
  if (earlier === kind) return;
  throw new AppError(
    'secret.other_kind',
    kind === 'reference'
      ? 'This secret is a reference, and that version has a value of its own: write it anew with a value.'
      : 'This secret has a value of its own, and that version is a reference: write it anew with that reference.',
  );
}
