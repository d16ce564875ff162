import type { StoredDetails } from '../platform/audit-row.ts';

/** What the details of an event may be called; whatever else a caller hands over is left out. */
const DETAIL_KEYS = [
  'agent',
  'broken',
  'certificateIdentity',
  'changed',
  'cidrs',
  'code',
  'count',
  'created',
  'days',
  'encryptedAdded',
  'encryptedRemoved',
  'enrollmentToken',
  'expiresAt',
  'fingerprint',
  'from',
  'gid',
  'group',
  'happenedAt',
  'hash',
  'keyThumbprint',
  'keyVersion',
  'kind',
  'listener',
  'locked',
  'name',
  'notAfter',
  'offline',
  'overlapSeconds',
  'passwordReset',
  'pid',
  'position',
  'publicAdded',
  'publicRemoved',
  'revision',
  'role',
  'roles',
  'rotatedFrom',
  'sealedAnew',
  'secondFactor',
  'secret',
  'serialNumber',
  'sessions',
  'to',
  'uid',
  'uses',
  'version',
] as const;

/** The fields whose values may be shown as they were before and after a change. */
const SHOWN_FIELDS = new Set<string>([
  'agentMethods',
  'certificateIdentity',
  'clones',
  'delivery',
  'expiresAt',
  'fingerprint',
  'kind',
  'maxTtlSeconds',
  'maxUses',
  'notAfter',
  'offline',
  'revision',
  'role',
  'state',
  'ttlSeconds',
  'type',
  'typeVersion',
  'version',
  'windows',
]);
const MASKED = '[masked]';

type DetailKey = (typeof DETAIL_KEYS)[number];
type Scalar = string | number | boolean | null;
/** A thing's fields before or after a change. */
export type ChangedFields = Record<string, Scalar>;

/** Names, ids, counts and codes. The type keeps objects out; callers keep values out. */
export type AuditDetails = Partial<Record<DetailKey, Scalar | readonly string[]>> & {
  before?: ChangedFields;
  after?: ChangedFields;
};

const MAX_TEXT = 256;
const MAX_ITEMS = 64;
const FIELD_NAME = /^[A-Za-z]\w{0,31}$/;
/** What Postgres or UTF-8 cannot keep as it came. */
const UNSTORABLE = /[\0\p{Cs}]/gu;

/**
 * The details as they are stored: known keys, bounded texts and lists; of what changed, values of fields on the
 * list alone. Whatever a caller's type lets through, nothing else is recorded.
 */
export function storedDetails(details: AuditDetails): StoredDetails {
  const stored: StoredDetails = {};
  for (const key of DETAIL_KEYS) {
    const value = details[key];
    if (value !== undefined) stored[key] = bounded(value);
  }
  if (details.before !== undefined) stored['before'] = masked(details.before);
  if (details.after !== undefined) stored['after'] = masked(details.after);
  return stored;
}

/** Text of an event: cut off where it is longer than any name or id. */
export function boundedText(text: string): string {
  return (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text).replaceAll(
    UNSTORABLE,
    '�',
  );
}

function bounded(value: Scalar | readonly string[]): Scalar | string[] {
  return typeof value === 'object' && value !== null
    ? value.slice(0, MAX_ITEMS).map((item) => boundedText(String(item)))
    : scalar(value);
}

function masked(fields: ChangedFields): Record<string, Scalar> {
  const named = Object.entries(fields).filter(([name]) => FIELD_NAME.test(name));
  return Object.fromEntries(
    named
      .slice(0, MAX_ITEMS)
      .map(([name, value]) => [name, SHOWN_FIELDS.has(name) ? scalar(value) : MASKED]),
  );
}

function scalar(value: Scalar): Scalar {
  if (typeof value === 'string') return boundedText(value);
  return typeof value === 'number' && !Number.isFinite(value) ? null : value;
}
