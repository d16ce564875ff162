import type { ProblemIssue } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import type { Precondition } from '../http/preconditions.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { countContents, endGroup, lockGroup, type GroupContents } from './group-end.store.ts';
import { authorizedGroup, stateOf } from './groups.service.ts';
import { findGroup, groupNotFound } from './groups.store.ts';

/**
 * Deletes a group that holds nothing any more: its keys are destroyed, and its name is free. The row stays, and with it
 * its revoked agents, which are told that they are revoked whenever they come back, and what the audit says of both.
 *
 * @throws AppError `group.not_found`, `permission.denied`, `precondition.failed`, `group.not_empty` with what is still
 * there, `group.busy`
 */
export async function deleteGroup(
  platform: Platform,
  op: Operation,
  name: string,
  precondition: Precondition,
): Promise<void> {
  const { db, clock, groupTurns } = platform;
  const { id } = await authorizedGroup(platform, op, 'group:delete', name);
  const remove = () =>
    db.transaction(async (tx) => {
      // Before anything is looked at: whoever makes something in the group holds its row.
      if (!(await lockGroup(tx, id))) throw groupNotFound();
      const group = await findGroup(tx, name);
      precondition.check(group && stateOf(group));
      const now = new Date(clock.now());
      refuseFilled(await countContents(tx, id, now));
      await endGroup(tx, id, now);
      const act = {
        action: 'group:delete',
        subject: `group:${name}`,
        groupId: id,
        outcome: 'done',
      } as const;
      await appendAuditEvent(tx, op, act, clock.now());
    });
  await groupTurns.take(id, remove);
}

/** What goes first, and the words for it. */
const inWords: readonly (readonly [field: keyof GroupContents, words: string])[] = [
  ['agents', 'not revoked'],
  ['secrets', 'with all their versions'],
  ['plugins', 'with their configuration'],
  ['certificates', 'with their keys'],
  ['enrollmentTokens', 'that can still be used'],
  ['links', 'to be dialled'],
  ['bans', 'that nobody could lift any more: sallyport ban list, ban lift'],
  ['roles', 'in this group: sallyport role list, role revoke, api-key list, api-key revoke'],
];

function refuseFilled(contents: GroupContents): void {
  const issues: ProblemIssue[] = inWords.flatMap(([field, words]) => {
    const count = contents[field];
    return count === 0 ? [] : [{ field, message: `${count} ${words}` }];
  });
  if (issues.length > 0)
    throw new AppError(
      'group.not_empty',
      'A group is deleted when nothing is left in it: delete, revoke, move or lift first what it holds.',
      { issues },
    );
}
