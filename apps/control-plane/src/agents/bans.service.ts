import type { Ban, PageQuery } from '@sallyport/contract';
import { calculateJwkThumbprint } from 'jose';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { aheadOfWriters, authorizedGroup, holdGroup } from '../groups/index.ts';
import { AppError } from '../platform/app-error.ts';
import { newId } from '../platform/new-id.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import { authorizedAgent, endAgent } from './agents.service.ts';
import {
  deleteBan,
  findBanOfAgent,
  listBans,
  lockBans,
  putBan,
  type BanRow,
} from './bans.store.ts';

/**
 * Revokes an agent, if it is not revoked already, and lets neither of its keys enrol again, nor with `banName` its
 * name in its group. A second ban of the same agent changes only what it adds.
 */
export async function banAgent(
  platform: Platform,
  op: Operation,
  id: string,
  { banName }: { banName: boolean },
): Promise<Ban> {
  const { db, clock } = platform;
  const { groupId: turn } = await db.read((reader) => authorizedAgent(reader, op, 'agent:ban', id));
  return aheadOfWriters(platform, turn, async (tx) => {
    const revoked = await endAgent(tx, platform, id);
    const agent = await authorizedAgent(tx, op, 'agent:ban', id);
    const { name, groupId, keyThumbprint: signingKey, group } = agent;
    // Else nobody could lift it any more.
    await holdGroup(tx, groupId);
    // Last, since every enrolment waits for it.
    await lockBans(tx);
    const before = await findBanOfAgent(tx, id);
    const bannedName = banName ? name : (before?.bannedName ?? null);
    if (before !== undefined && before.bannedName === bannedName) return shown(before, group.name);
    const row = await putBan(tx, {
      id: newId(),
      groupId,
      agentId: id,
      agentName: name,
      bannedName,
      signingKey,
      encryptionKey: await calculateJwkThumbprint(agent.encryptionKey),
      createdBy: op.actor.name,
      createdAt: new Date(clock.now()),
    });
    const act = {
      action: 'agent:ban',
      subject: `agent:${id}`,
      groupId,
      outcome: 'done',
      details: {
        keyThumbprint: signingKey,
        ...(bannedName === null ? {} : { name: bannedName }),
        ...(revoked === undefined ? {} : { revision: revoked.revision }),
      },
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
    return shown(row, group.name);
  });
}

export async function listGroupBans(
  platform: Platform,
  op: Operation,
  groupName: string,
  query: PageQuery,
): Promise<Page<Ban>> {
  const group = await authorizedGroup(platform, op, 'agent:ban', groupName);
  const rows = await platform.db.read((reader) => listBans(reader, group.id, query));
  return pageOf(
    rows.map((row) => shown(row, group.name)),
    query.limit,
    (ban) => ban.id,
  );
}

/**
 * Lets what was banned enrol again; the agent itself stays revoked.
 *
 * @throws AppError `ban.not_found`
 */
export async function liftBan(
  platform: Platform,
  op: Operation,
  groupName: string,
  id: string,
): Promise<void> {
  const { db, clock } = platform;
  const group = await authorizedGroup(platform, op, 'agent:ban', groupName);
  await db.transaction(async (tx) => {
    const lifted = await deleteBan(tx, group.id, id);
    if (lifted === undefined)
      throw new AppError(
        'ban.not_found',
        'There is no such ban in this group, or you may not see it.',
      );
    const act = {
      action: 'agent:unban',
      subject: `agent:${lifted.agentId}`,
      groupId: group.id,
      outcome: 'done',
      details: { keyThumbprint: lifted.signingKey },
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
  });
}

function shown({ groupId: _groupId, createdAt, ...row }: BanRow, group: string): Ban {
  return { ...row, group, createdAt: createdAt.toISOString() };
}
