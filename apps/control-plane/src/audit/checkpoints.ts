import type { AuditCheckpoint, PageQuery } from '@sallyport/contract';
import { signCheckpoint } from '@sallyport/crypto/checkpoint';
import type { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import { newId } from '../platform/new-id.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import type { AuditKeys } from './audit-keys.ts';
import { readHead } from './chain.store.ts';
import { findCheckpoint, insertCheckpoint, listCheckpoints } from './checkpoints.store.ts';
import { recordAct } from './record-act.ts';

/** Signs the head of the chain, if that has not been done; `undefined` while the chain is empty. */
export async function signHead(
  { db, clock }: Pick<Platform, 'db' | 'clock'>,
  { signer }: AuditKeys,
): Promise<AuditCheckpoint | undefined> {
  const head = await readHead(db);
  if (head.position === 0) return undefined;
  const signed = await db.read((reader) => findCheckpoint(reader, head.position));
  if (signed !== undefined) return signed;
  const checkpoint = {
    id: newId(),
    size: head.position,
    hash: head.hash,
    note: signCheckpoint(signer, head),
    createdAt: new Date(clock.now()).toISOString(),
  };
  await db.write((writer) => insertCheckpoint(writer, checkpoint));
  return checkpoint;
}

/** A checkpoint on demand; that it was asked for is the first event after it. */
export async function createCheckpoint(
  platform: Platform,
  keys: AuditKeys,
  op: Operation,
): Promise<AuditCheckpoint> {
  op.authorize('audit:checkpoint');
  const checkpoint = await signHead(platform, keys);
  if (checkpoint === undefined)
    throw new AppError('audit.nothing_to_sign', 'The audit chain is empty; try again in a moment.');
  const { size: position, hash } = checkpoint;
  await recordAct(platform, op, {
    action: 'audit:checkpoint',
    subject: `audit:${position}`,
    outcome: 'done',
    details: { position, hash },
  });
  return checkpoint;
}

export async function listAllCheckpoints(
  { db }: Platform,
  op: Operation,
  query: PageQuery,
): Promise<Page<AuditCheckpoint>> {
  op.authorize('audit:read');
  const rows = await db.read((reader) => listCheckpoints(reader, query));
  return pageOf(rows, query.limit, ({ id }) => id);
}
