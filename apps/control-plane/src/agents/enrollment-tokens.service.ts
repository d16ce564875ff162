import type { PageQuery } from '@sallyport/contract';
import { formatToken, mintToken } from '@sallyport/crypto/token';
import { hashTokenSecret } from '@sallyport/crypto/token-hash';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroup, holdGroup } from '../groups/index.ts';
import { AppError } from '../platform/app-error.ts';
import { newId } from '../platform/new-id.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import {
  findEnrollmentToken,
  insertEnrollmentToken,
  listEnrollmentTokens,
  revokeToken,
  type EnrollmentTokenRow,
} from './enrollment-tokens.store.ts';

export type ShownToken = {
  id: string;
  uses: number;
  usesLeft: number;
  expiresAt: string;
  revokedAt: string | null;
  cidrs: string[];
  createdAt: string;
};

/** Makes an enrollment token; its text is in this reply and nowhere else. */
export async function createEnrollmentToken(
  platform: Platform,
  op: Operation,
  groupName: string,
  limits: { uses: number; expiresInSeconds: number; cidrs: string[] },
): Promise<ShownToken & { token: string }> {
  const { db, clock, hashing, tokenIterations } = platform;
  const group = await authorizedGroup(platform, op, 'enrollment-token:create', groupName);
  const token = mintToken('enroll', newId());
  const secretHash = await hashing.run(() => hashTokenSecret(token.secret, tokenIterations));
  const row: EnrollmentTokenRow = {
    id: token.id,
    groupId: group.id,
    secretHash,
    uses: limits.uses,
    usesLeft: limits.uses,
    cidrs: limits.cidrs,
    createdBy: op.actor.name,
    createdAt: new Date(clock.now()),
    expiresAt: new Date(clock.now() + limits.expiresInSeconds * 1000),
    revokedAt: null,
  };
  await db.transaction(async (tx) => {
    await holdGroup(tx, group.id);
    await insertEnrollmentToken(tx, row);
    const details = { uses: row.uses, expiresAt: row.expiresAt.toISOString(), cidrs: row.cidrs };
    const act = {
      action: 'enrollment-token:create',
      subject: `enrollment-token:${row.id}`,
      groupId: group.id,
      outcome: 'done',
      details,
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
  });
  return { ...shown(row), token: formatToken(token) };
}

export async function listGroupTokens(
  platform: Platform,
  op: Operation,
  groupName: string,
  query: PageQuery,
): Promise<Page<ShownToken>> {
  const group = await authorizedGroup(platform, op, 'enrollment-token:read', groupName);
  const rows = await platform.db.read((reader) => listEnrollmentTokens(reader, group.id, query));
  return pageOf(rows.map(shown), query.limit, (token) => token.id);
}

/** Ends a token now; revoking twice is the same as once. */
export async function revokeEnrollmentToken(
  platform: Platform,
  op: Operation,
  groupName: string,
  id: string,
): Promise<void> {
  const { db, clock } = platform;
  const group = await authorizedGroup(platform, op, 'enrollment-token:revoke', groupName);
  await db.transaction(async (tx) => {
    if ((await findEnrollmentToken(tx, id))?.groupId !== group.id) {
      throw new AppError(
        'token.not_found',
        'There is no such enrollment token in this group, or you may not see it.',
      );
    }
    if (!(await revokeToken(tx, group.id, id, new Date(clock.now())))) return;
    const act = {
      action: 'enrollment-token:revoke',
      subject: `enrollment-token:${id}`,
      groupId: group.id,
      outcome: 'done',
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
  });
}

function shown({
  id,
  uses,
  usesLeft,
  expiresAt,
  revokedAt,
  cidrs,
  createdAt,
}: EnrollmentTokenRow): ShownToken {
  return {
    id,
    uses,
    usesLeft,
    cidrs,
    expiresAt: expiresAt.toISOString(),
    revokedAt: revokedAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
  };
}
