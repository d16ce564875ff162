import type { auditExportBase, AuditExportQuery } from '@sallyport/contract';
import type { z } from 'zod';
import type { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Database } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import type { AuditKeys } from './audit-keys.ts';
import { findLink, readBasePosition, readHead, readLinks } from './chain.store.ts';
import { recordAct } from './record-act.ts';
import { findBase } from './verify-chain.ts';

const BATCH = 500;

type Base = z.infer<typeof auditExportBase>['base'];

/**
 * The chain as JSON Lines, in parts of many lines: first what it goes on from, then a line for each link with all
 * that is needed to verify it. Read as fast as it is taken.
 */
export async function exportAudit(
  platform: Platform,
  keys: AuditKeys,
  op: Operation,
  query: AuditExportQuery,
): Promise<AsyncGenerator<string>> {
  op.authorize('audit:export');
  const { db } = platform;
  const { first, last, base } = await rangeOf(db, keys, query);
  await recordAct(platform, op, {
    action: 'audit:export',
    subject: 'audit',
    outcome: 'done',
    details: { from: first, to: last },
  });
  return lines(db, op, base, last);
}

async function rangeOf(
  db: Database,
  keys: AuditKeys,
  { from, to }: AuditExportQuery,
): Promise<{ first: number; last: number; base: Base }> {
  for (;;) {
    const kept = await readBasePosition(db);
    const head = await readHead(db);
    const first = Math.max(from ?? 1, kept + 1);
    const last = Math.min(to ?? head.position, head.position);
    try {
      return { first, last, base: await baseOf(db, keys, first - 1, kept) };
    } catch (error) {
      // Else retention has taken away meanwhile what it was to begin with.
      if ((await readBasePosition(db)) === kept) throw error;
    }
  }
}

async function baseOf(
  db: Database,
  keys: AuditKeys,
  position: number,
  kept: number,
): Promise<Base> {
  if (position > kept) {
    const link = await findLink(db, position);
    if (link !== undefined) return { ...link, checkpoint: null };
    throw new AppError(
      'request.invalid',
      'The chain does not reach that far; ask for earlier positions.',
    );
  }
  const base = await findBase(db, keys, position);
  if (base === undefined)
    throw new AppError(
      'audit.broken',
      'What the chain begins with is not what was signed; verify the audit.',
    );
  return { position: base.position, hash: base.hash, checkpoint: base.note ?? null };
}

/** Ends in an error, in the middle of the chain, when whom it is for has lost the right to it. */
async function* lines(
  db: Database,
  op: Operation,
  base: Base,
  last: number,
): AsyncGenerator<string> {
  yield `${JSON.stringify({ base })}\n`;
  for (let after = base.position; after < last;) {
    (await op.renew?.())?.authorize('audit:export');
    const links = await readLinks(db, after, last, BATCH);
    if (links[0]?.position !== after + 1 && (await readBasePosition(db)) > after)
      // What is left would look like a chain that somebody cut: half of an export is none.
      throw new Error('retention dropped what was to be exported next');
    if (links.length === 0) return;
    // A link whose event is gone has no line: whoever verifies sees the gap.
    yield links
      .map((link) => (link.event === undefined ? '' : `${JSON.stringify(link)}\n`))
      .join('');
    after = links.at(-1)?.position ?? last;
  }
}
