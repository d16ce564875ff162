import type { PageQuery } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { changeGroup, authorizedGroup, refuseTooLarge } from '../groups/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import {
  deletePlugin,
  findPlugin,
  listPlugins,
  upsertPlugin,
  type PluginConfig,
  type PluginRow,
} from './plugins.store.ts';

export type PluginPath = { group: string; plugin: string };
export type ShownPlugin = Omit<PluginRow, 'createdAt' | 'updatedAt'> & {
  createdAt: string;
  updatedAt: string;
};

/** Creates a plugin or replaces its configuration. */
export async function putPlugin(
  platform: Platform,
  op: Operation,
  path: PluginPath,
  config: PluginConfig,
): Promise<{ plugin: ShownPlugin; created: boolean }> {
  const { clock } = platform;
  const group = await authorizedGroup(platform, op, 'plugin:write', path.group);
  return changeGroup(platform, group.id, async (tx, revision) => {
    const existing = await findPlugin(tx, group.id, path.plugin);
    const now = new Date(clock.now());
    const plugin = {
      id: existing?.id ?? newId(),
      name: path.plugin,
      version: (existing?.version ?? 0) + 1,
      config,
      createdAt: existing?.createdAt ?? now,
      updatedAt: now,
    };
    await upsertPlugin(tx, group.id, plugin);
    await refuseTooLarge(tx, group.id);
    const details = { version: plugin.version, revision };
    const act = {
      action: 'plugin:write',
      subject: `plugin:${path.plugin}`,
      groupId: group.id,
      outcome: 'done',
      details,
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
    return { plugin: shown(plugin), created: existing === undefined };
  });
}

export async function getPlugin(
  platform: Platform,
  op: Operation,
  path: PluginPath,
): Promise<ShownPlugin> {
  const group = await authorizedGroup(platform, op, 'plugin:read', path.group);
  return shown(await platform.db.read((reader) => existingPlugin(reader, group.id, path.plugin)));
}

export async function listGroupPlugins(
  platform: Platform,
  op: Operation,
  groupName: string,
  query: PageQuery,
): Promise<Page<ShownPlugin>> {
  const group = await authorizedGroup(platform, op, 'plugin:read', groupName);
  const rows = await platform.db.read((reader) => listPlugins(reader, group.id, query));
  return pageOf(rows.map(shown), query.limit, (plugin) => plugin.name);
}

export async function removePlugin(
  platform: Platform,
  op: Operation,
  path: PluginPath,
): Promise<void> {
  const { clock } = platform;
  const group = await authorizedGroup(platform, op, 'plugin:delete', path.group);
  await changeGroup(platform, group.id, async (tx, revision) => {
    const plugin = await existingPlugin(tx, group.id, path.plugin);
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

async function existingPlugin(db: Db, groupId: string, name: string): Promise<PluginRow> {
  const plugin = await findPlugin(db, groupId, name);
  if (plugin === undefined)
    throw new AppError(
      'plugin.not_found',
      'There is no such plugin in this group, or you may not see it.',
    );
  return plugin;
}

function shown(row: PluginRow): ShownPlugin {
  const { id, name, version, config } = row;
  return {
    id,
    name,
    version,
    config,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
