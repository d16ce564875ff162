import {
  GENERIC_TYPE,
  type JsonObject,
  type PatchPluginBody,
  type PutPluginBody,
  type ShownPlugin,
} from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroup, changeGroup, measureEntries, refuseTooLarge } from '../groups/index.ts';
import type { Precondition } from '../http/preconditions.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { holdType, missingType } from '../plugin-types/index.ts';
import { changedPaths } from './changed-paths.ts';
import { fitConfig, type FitConfig, type OpenConfig } from './fit-config.ts';
import { mergePatch } from './merge-patch.ts';
import { deleteFields } from './plugin-fields.store.ts';
import { existingPlugin, shownPlugin, type PluginPath } from './plugins.service.ts';
import { findPlugin, upsertPlugin, type OfflinePolicy, type PluginRow } from './plugins.store.ts';
import { readFields, sealField } from './sealed-fields.ts';

/** What a plugin is to become, made of what it is. */
type Wanted = { type: string; offline: OfflinePolicy | null; config: JsonObject };
type Existing = { row: PluginRow | undefined; open: OpenConfig };

/** Creates a plugin or replaces its configuration. */
export async function putPlugin(
  platform: Platform,
  op: Operation,
  path: PluginPath,
  { type, offline, config }: PutPluginBody,
  precondition: Precondition,
): Promise<{ plugin: ShownPlugin; created: boolean }> {
  return writePlugin(platform, op, path, ({ row }) => {
    precondition.checkReplaced(row);
    return {
      type: type ?? row?.type ?? GENERIC_TYPE,
      offline: offline ?? row?.offline ?? null,
      config,
    };
  });
}

/** Changes parts of a plugin; what is not named stays as it is, encrypted fields byte for byte. */
export async function patchPlugin(
  platform: Platform,
  op: Operation,
  path: PluginPath,
  { type, offline, config = {} }: PatchPluginBody,
  precondition: Precondition,
): Promise<ShownPlugin> {
  const { plugin } = await writePlugin(platform, op, path, ({ row, open }) => {
    const plugin = existingPlugin(row);
    precondition.check(plugin);
    return {
      type: type ?? plugin.type,
      offline: offline ?? plugin.offline,
      config: mergePatch(open.masked, config, open.values),
    };
  });
  return plugin;
}

async function writePlugin(
  platform: Platform,
  op: Operation,
  path: PluginPath,
  want: (existing: Existing) => Wanted,
): Promise<{ plugin: ShownPlugin; created: boolean }> {
  const { clock } = platform;
  const group = await authorizedGroup(platform, op, 'plugin:write', path.group);
  return changeGroup(platform, group, async (tx, revision) => {
    const existing = await readExisting(tx, platform, group.id, path.plugin);
    const { row: old, open } = existing;
    const wanted = want(existing);
    const type = (await holdType(tx, wanted.type)) ?? missingType();
    const fit = fitConfig(type, wanted.config, open);
    const now = new Date(clock.now());
    const row: PluginRow = {
      id: old?.id ?? newId(),
      name: path.plugin,
      version: (old?.version ?? 0) + 1,
      typeVersionId: type.versionId,
      type: type.name,
      typeVersion: type.version,
      offline: wanted.offline,
      config: fit.masked,
      fieldCount: fit.values.size,
      createdAt: old?.createdAt ?? now,
      updatedAt: now,
    };
    await storePlugin(tx, platform, group.id, row, [open, fit]);
    await refuseTooLarge(tx, group.id, await measureEntries(tx, group.id, path.plugin));
    const shown = shownPlugin(row);
    const changed = changedPaths(open.masked, fit.masked, fit.fresh);
    const act = {
      action: 'plugin:write',
      subject: `plugin:${path.plugin}`,
      groupId: group.id,
      outcome: 'done',
      details: {
        version: row.version,
        revision,
        changed,
        ...(old === undefined ? {} : { before: changing(old) }),
        after: changing(row),
      },
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
    return { plugin: shown, created: old === undefined };
  });
}

/** What of a plugin a new version may change, besides its configuration. */
function changing({ version, type, typeVersion, offline }: PluginRow) {
  return { version, type, typeVersion, offline };
}

async function readExisting(
  tx: Db,
  platform: Platform,
  groupId: string,
  name: string,
): Promise<Existing> {
  const row = await findPlugin(tx, groupId, name);
  if (row === undefined) return { row, open: { masked: {}, values: new Map() } };
  const values = await readFields(tx, platform, groupId, row.id);
  return { row, open: { masked: row.config, values } };
}

/** Writes the plugin, and of its fields those that are new, changed or gone. */
async function storePlugin(
  tx: Db,
  platform: Platform,
  groupId: string,
  { type: _type, typeVersion: _typeVersion, fieldCount: _count, ...record }: PluginRow,
  [open, fit]: [OpenConfig, FitConfig],
): Promise<void> {
  await upsertPlugin(tx, groupId, record);
  const gone = [...open.values.keys()].filter(
    (pointer) => fit.fresh.has(pointer) || !fit.values.has(pointer),
  );
  await deleteFields(tx, record.id, gone);
  for (const [pointer, value] of fit.values)
    if (fit.fresh.has(pointer))
      await sealField(tx, platform, groupId, { pluginId: record.id, path: pointer, value });
}
