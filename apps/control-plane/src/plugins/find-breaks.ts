import type { PluginBreaks, PluginTypeDefinition } from '@sallyport/contract';
import { fillFields, maskFields } from '@sallyport/crypto/masked-fields';
import type { Operation } from '../authorization/index.ts';
import type { Platform } from '../platform/platform.ts';
import { marksOf, nameablePath, type Misfit, type TypeRow } from '../plugin-types/index.ts';
import { misfitsOf } from './fit-config.ts';
import { findPlugin, listPluginsOfType, type PluginInGroup } from './plugins.store.ts';
import { readFields } from './sealed-fields.ts';

const BATCH = 50;
const MAX_NAMED = 50;
const MAX_PROBLEMS = 5;

/** Finds the plugins of a type that do not fit its next version; those that the caller may not see are counted. */
export async function findBreaks(
  platform: Platform,
  op: Operation,
  type: TypeRow,
  next: PluginTypeDefinition,
): Promise<PluginBreaks> {
  const visible = op.groupsWith('plugin:read');
  const found: PluginBreaks = { breaks: [], more: 0 };
  let last: string | undefined;
  for (;;) {
    const batch = await platform.db.read((reader) =>
      listPluginsOfType(reader, type.id, last, BATCH),
    );
    for (const plugin of batch) {
      const problems = await problemsOf(platform, plugin, next);
      if (problems.length === 0) continue;
      const { id, name } = plugin.group;
      const mayBeNamed = visible?.includes(id) ?? true;
      if (mayBeNamed && found.breaks.length < MAX_NAMED)
        found.breaks.push({ group: name, plugin: plugin.name, problems });
      else found.more += 1;
    }
    last = batch.at(-1)?.id;
    if (batch.length < BATCH) return found;
  }
}

async function problemsOf(
  platform: Platform,
  plugin: PluginInGroup,
  next: PluginTypeDefinition,
): Promise<Misfit[]> {
  const opened = await openPlugin(platform, plugin);
  if (opened === undefined) return [];
  const { config, values } = opened;
  const { fields } = maskFields(config, marksOf(next).encrypted);
  const problems = [
    ...misfitsOf(next, config),
    ...[...fields.keys()]
      .filter((path) => !values.has(path))
      .map((path) => ({ path, problem: 'stands in clear until the plugin is written again' })),
    ...[...values.keys()]
      .filter((path) => !covered(path, fields))
      .map((path) => ({ path, problem: 'is encrypted, and would not be any more' })),
  ];
  return problems
    .slice(0, MAX_PROBLEMS)
    .map(({ path, problem }) => ({ path: nameablePath(path), problem }));
}

/** A plugin that was listed as it is now, in plaintext; undefined when it is gone, or of another type. */
async function openPlugin(platform: Platform, { group, name, type }: PluginInGroup) {
  return platform.db.snapshot(async (reader) => {
    const now = await findPlugin(reader, group.id, name);
    if (now?.type !== type) return undefined;
    const values = await readFields(reader, platform, group.id, now.id);
    return { config: fillFields(now.config, values), values };
  });
}

/** Whether a field is encrypted, by itself or with what it is a part of. */
function covered(path: string, fields: ReadonlyMap<string, unknown>): boolean {
  return [...fields.keys()].some((field) => path === field || path.startsWith(`${field}/`));
}
