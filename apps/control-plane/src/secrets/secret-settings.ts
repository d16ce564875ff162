import { hash } from 'node:crypto';
import type { LeasePolicy } from '@sallyport/contract';
import type { Versioned } from '../http/preconditions.ts';
import { AppError } from '../platform/app-error.ts';
import type { SecretRow, SecretState } from './secrets.store.ts';

/** What conditions go by: settings change without a version. */
export function stateOf({
  id,
  version,
  offline,
  lease,
}: Pick<SecretState, 'id' | 'version' | 'offline' | 'lease'>): Versioned {
  const settings = hash('sha256', JSON.stringify([offline, lease]), 'base64url');
  return { id, version: `${version}.${settings}` };
}

/** Only a value that the control plane itself has, and that no disk keeps, can be lent out. @throws AppError `request.invalid` */
export function refuseUnlendable({ lease, kind, offline }: SecretRow): void {
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

export function unlendable(field: string, message: string): AppError {
  return new AppError('request.invalid', `The request is not valid: see body.${field}.`, {
    issues: [{ field: `body.${field}`, message }],
  });
}

/** A secret's settings, as the audit shows them before and after a write. */
export function auditedSettings({ version, kind, delivery, offline, lease }: SecretState) {
  return { version, kind, delivery, offline, ...(lease === null ? {} : shownPolicy(lease)) };
}

function shownPolicy({ ttlSeconds, maxTtlSeconds, maxUses, windows }: LeasePolicy) {
  const hours = windows.map(
    ({ days, from, until, timeZone }) => `${days.join(',')} ${from}-${until} ${timeZone}`,
  );
  return { ttlSeconds, maxTtlSeconds, maxUses, windows: hours.join('; ') };
}
