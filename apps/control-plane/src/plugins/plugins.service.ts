import type { PageQuery, ShownPlugin } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroup, changeGroup } from '../groups/index.ts';
import type { Precondition } from '../http/preconditions.ts';
import { AppError } from '../platform/app-error.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import {
  deletePlugin,
  findPlugin,
  listPlugins,
  type OfflinePolicy,
  type PluginRow,
} from './plugins.store.ts';

export type PluginPath = { group: string; plugin: string };

export async function getPlugin(
  platform: Platform,
  op: Operation,
  path: PluginPath,
): Promise<ShownPlugin> {
  const group = await authorizedGroup(platform, op, 'plugin:read', path.group);
  const found = await platform.db.read((reader) => findPlugin(reader, group.id, path.plugin));
  return shownPlugin(existingPlugin(found));
}

export async function listGroupPlugins(
  platform: Platform,
  op: Operation,
  groupName: string,
  query: PageQuery,
): Promise<Page<ShownPlugin>> {
  const group = await authorizedGroup(platform, op, 'plugin:read', groupName);
  const rows = await platform.db.read((reader) => listPlugins(reader, group.id, query));
  return pageOf(rows.map(shownPlugin), query.limit, (plugin) => plugin.name);
}

export async function removePlugin(
  platform: Platform,
  op: Operation,
  path: PluginPath,
  precondition: Precondition,
): Promise<void> {
  const { clock } = platform;
  const group = await authorizedGroup(platform, op, 'plugin:delete', path.group);
  await changeGroup(platform, group, async (tx, revision) => {
    const plugin = existingPlugin(await findPlugin(tx, group.id, path.plugin));
    precondition.check(plugin);
    await deletePlugin(tx, plugin.id);
    const details = { version: plugin.version, revision };
    const act = {
      action: 'plugin:delete',
      subject: `plugin:${path.plugin}`,
      groupId: group.id,
      outcome: 'done',
      details,
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
  });
}

/** @throws AppError `plugin.not_found` */
export function existingPlugin(found: PluginRow | undefined): PluginRow {
  if (found !== undefined) return found;
  throw new AppError(
    'plugin.not_found',
    'There is no such plugin in this group, or you may not see it.',
  );
}

/** Secrets are not kept on disk unless somebody says so; what has none may be. */
export function offlineOf(chosen: OfflinePolicy | null, fieldCount: number): OfflinePolicy {
  return chosen ?? (fieldCount > 0 ? 'deny' : 'allow');
}

export function shownPlugin(row: PluginRow): ShownPlugin {
  const { id, name, type, typeVersion, version, config } = row;
  return {
    ...{ id, name, type, typeVersion, version, config },
    offline: offlineOf(row.offline, row.fieldCount),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
