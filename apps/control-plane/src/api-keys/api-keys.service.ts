import type { ApiKey, HeldRole, PageQuery } from '@sallyport/contract';
import { formatToken, mintToken, type Token } from '@sallyport/crypto/token';
import { hashTokenSecret } from '@sallyport/crypto/token-hash';
import { appendAuditEvent } from '../audit/index.ts';
import type { Grant, Operation, Permission } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import {
  authorizedGrants,
  heldRolesOf,
  insertRoleBindings,
  listHeldRoles,
  rolesInWords,
  shownRole,
  type NamedGrant,
} from '../role-bindings/index.ts';
import {
  endKeyBy,
  findApiKey,
  insertApiKey,
  listApiKeys,
  markKeyRevoked,
  type ApiKeyRow,
  type NewApiKey,
} from './api-keys.store.ts';

/** How long keys live, in days: what is asked for, else `defaultDays`, and `maxDays` at most. */
export type ApiKeyPolicy = { defaultDays: number; maxDays: number };

const DAY_MS = 24 * 60 * 60 * 1000;
/** With the whole id: less of it is the same for keys of one minute. */
const PREFIX_LENGTH = 'sp_key_'.length + 32;

/** Makes an API key with the roles that the caller may give; its text is in this reply and nowhere else. */
export async function createApiKey(
  platform: Platform,
  policy: ApiKeyPolicy,
  op: Operation,
  wanted: { name: string; roles: HeldRole[]; expiresInDays?: number | undefined },
): Promise<ApiKey & { key: string }> {
  const grants = await authorizedGrants(platform, op, 'api-key:create', wanted.roles);
  const { token, row } = await mintKey(platform, policy, op, wanted);
  const created = await platform.db.transaction(async (tx) => {
    const key = await keep(tx, row, grants);
    const roles = rolesInWords(wanted.roles);
    const details = { name: row.name, roles, expiresAt: row.expiresAt.toISOString() };
    await appendAuditEvent(
      tx,
      op,
      { ...actOn('create', row.id), details },
      row.createdAt.getTime(),
    );
    return shown(key, wanted.roles, row.createdAt);
  });
  return { ...created, key: formatToken(token) };
}

/**
 * Makes a key that takes a key's place, with the same roles. The old one goes on for the overlap, so that
 * what uses it has time to change over.
 */
export async function rotateApiKey(
  platform: Platform,
  policy: ApiKeyPolicy,
  op: Operation,
  id: string,
  wanted: { overlapSeconds: number; expiresInDays?: number | undefined },
): Promise<ApiKey & { key: string }> {
  const { db, clock } = platform;
  const old = await db.read((reader) => authorizedKey(reader, op, 'api-key:rotate', id));
  // Whoever gets the new key gets what it holds.
  for (const grant of old.held) op.authorizeGrant(grant);
  const { name } = old.row;
  const { expiresInDays, overlapSeconds } = wanted;
  const { token, row } = await mintKey(platform, policy, op, { name, expiresInDays }, id);
  const created = await db.transaction(async (tx) => {
    const now = new Date(clock.now());
    if (!(await endKeyBy(tx, id, now, new Date(clock.now() + overlapSeconds * 1000))))
      throw new AppError(
        'api_key.not_found',
        'This key has ended and cannot be rotated; create a new one.',
      );
    const key = await keep(tx, row, old.held);
    const [roles, expiresAt] = [rolesInWords(old.held), row.expiresAt.toISOString()];
    const details = { name, roles, rotatedFrom: id, overlapSeconds, expiresAt };
    await appendAuditEvent(tx, op, { ...actOn('rotate', row.id), details }, clock.now());
    return shown(key, old.held.map(shownRole), now);
  });
  return { ...created, key: formatToken(token) };
}

/** Ends a key now, on every replica; revoking twice is the same as once. */
export async function revokeApiKey(
  { db, clock }: Platform,
  op: Operation,
  id: string,
): Promise<void> {
  await db.transaction(async (tx) => {
    const { held } = await authorizedKey(tx, op, 'api-key:revoke', id);
    // What a key gives is taken by whoever might give it.
    for (const grant of held) op.authorizeGrant(grant);
    if (!(await markKeyRevoked(tx, id, new Date(clock.now())))) return;
    await appendAuditEvent(tx, op, actOn('revoke', id), clock.now());
  });
}

export async function getApiKey(
  { db, clock }: Platform,
  op: Operation,
  id: string,
): Promise<ApiKey> {
  const { row, held } = await db.read((reader) => authorizedKey(reader, op, 'api-key:read', id));
  return shown(row, held.map(shownRole), new Date(clock.now()));
}

/** The keys that the caller may see: those that hold nothing where it may not. */
export async function listVisibleApiKeys(
  { db, clock }: Platform,
  op: Operation,
  query: PageQuery,
): Promise<Page<ApiKey>> {
  const visible = op.groupsWith('api-key:read');
  const now = new Date(clock.now());
  return db.read(async (reader) => {
    const rows = await listApiKeys(reader, query, visible);
    const held = await listHeldRoles(reader, { apiKeyIds: rows.map(({ id }) => id) });
    const keys = rows.map((row) => shown(row, (held.get(row.id) ?? []).map(shownRole), now));
    return pageOf(keys, query.limit, ({ id }) => id);
  });
}

async function mintKey(
  { clock, hashing, tokenIterations }: Platform,
  policy: ApiKeyPolicy,
  op: Operation,
  { name, expiresInDays }: { name: string; expiresInDays?: number | undefined },
  rotatedFromId: string | null = null,
): Promise<{ token: Token; row: NewApiKey }> {
  const days = expiresInDays ?? policy.defaultDays;
  if (days > policy.maxDays)
    throw new AppError('request.invalid', 'The request is not valid: see body.expiresInDays.', {
      issues: [
        { field: 'body.expiresInDays', message: `may be ${policy.maxDays} at most, by policy` },
      ],
    });
  const token = mintToken('key', newId());
  const secretHash = await hashing.run(() => hashTokenSecret(token.secret, tokenIterations));
  const createdAt = new Date(clock.now());
  const expiresAt = new Date(clock.now() + days * DAY_MS);
  const createdBy = op.actor.name;
  return {
    token,
    row: { id: token.id, name, secretHash, createdBy, createdAt, expiresAt, rotatedFromId },
  };
}

async function keep(tx: Db, row: NewApiKey, grants: readonly Grant[]): Promise<ApiKeyRow> {
  const key = await insertApiKey(tx, row);
  const { createdBy, createdAt } = row;
  await insertRoleBindings(tx, { apiKeyId: row.id }, grants, { createdBy, createdAt });
  return key;
}

/**
 * A key that the caller may see: it holds nothing where the caller may not.
 *
 * @throws AppError `api_key.not_found`, `permission.denied`
 */
async function authorizedKey(
  db: Db,
  op: Operation,
  permission: Permission,
  id: string,
): Promise<{ row: ApiKeyRow; held: readonly NamedGrant[] }> {
  const row = await findApiKey(db, id);
  const held = await heldRolesOf(db, { apiKeyId: id });
  if (row === undefined) throw op.absent(permission, keyNotFound);
  // What it held in a group that is gone is gone with it.
  if (held.length === 0) op.authorize(permission);
  for (const { groupId } of held)
    if (groupId === null) op.authorize(permission);
    else op.authorizeIn(groupId, permission, keyNotFound);
  return { row, held };
}

function keyNotFound(): AppError {
  return new AppError('api_key.not_found', 'There is no such API key, or you may not see it.');
}

function actOn(verb: 'create' | 'rotate' | 'revoke', id: string) {
  return { action: `api-key:${verb}`, subject: `api-key:${id}`, outcome: 'done' } as const;
}

function shown(row: ApiKeyRow, roles: HeldRole[], now: Date): ApiKey {
  const { id, name, createdBy, rotatedFromId, revokedAt, expiresAt } = row;
  const prefix = formatToken({ kind: 'key', id, secret: '' }).slice(0, PREFIX_LENGTH);
  return {
    id,
    name,
    prefix,
    roles,
    state: revokedAt !== null ? 'revoked' : expiresAt <= now ? 'expired' : 'active',
    createdBy,
    createdAt: row.createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
    revokedAt: revokedAt?.toISOString() ?? null,
    rotatedFrom: rotatedFromId,
  };
}
