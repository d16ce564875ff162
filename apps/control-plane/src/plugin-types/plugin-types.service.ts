import {
  counted,
  GENERIC_TYPE,
  type PageQuery,
  type PluginType,
  type PluginTypeSummary,
} from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import {
  countPluginsOf,
  deleteType,
  findType,
  listTypes,
  listTypeVersions,
  lockType,
  type TypeRow,
} from './plugin-types.store.ts';

/** Types belong to no group: whoever reads them in one group, reads them. */
export async function getType(
  { db }: Platform,
  op: Operation,
  name: string,
  version?: number,
): Promise<PluginType> {
  op.groupsWith('plugin-type:read');
  return shownType(await db.read((reader) => existingType(reader, name, version)));
}

export async function listAllTypes(
  { db }: Platform,
  op: Operation,
  query: PageQuery,
): Promise<Page<PluginTypeSummary>> {
  op.groupsWith('plugin-type:read');
  const rows = await db.read((reader) => listTypes(reader, query));
  const types = rows.map((row) => {
    const { schema: _schema, ...summary } = shownType(row);
    return summary;
  });
  return pageOf(types, query.limit, (type) => type.name);
}

export type ShownTypeVersion = { version: number; createdAt: string; createdBy: string };

/** A type's versions, newest first. */
export async function listVersionsOfType(
  { db }: Platform,
  op: Operation,
  name: string,
  query: PageQuery,
): Promise<Page<ShownTypeVersion>> {
  op.groupsWith('plugin-type:read');
  const rows = await db.read(async (reader) => {
    const type = await existingType(reader, name);
    return listTypeVersions(reader, type.id, query);
  });
  const versions = rows.map(({ version, createdBy, createdAt }) => ({
    version,
    createdBy,
    createdAt: createdAt.toISOString(),
  }));
  return pageOf(versions, query.limit, ({ version }) => String(version));
}

/** Deletes a type that no plugin has. @throws AppError `plugin_type.in_use` */
export async function removeType(
  { db, clock }: Platform,
  op: Operation,
  name: string,
): Promise<void> {
  op.authorize('plugin-type:write');
  refuseBuiltIn(name);
  await db.transaction(async (tx) => {
    const type = await existingType(tx, name);
    await lockType(tx, type.id);
    const plugins = await countPluginsOf(tx, type.id);
    if (plugins > 0)
      throw new AppError(
        'plugin_type.in_use',
        `This type has ${counted(plugins, 'plugin')}: delete each first, or give it another type.`,
      );
    if (!(await deleteType(tx, type.id))) missingType();
    const act = {
      action: 'plugin-type:delete',
      subject: `plugin-type:${name}`,
      outcome: 'done',
      details: { version: type.version },
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
  });
}

/** @throws AppError `plugin_type.built_in` */
export function refuseBuiltIn(name: string): void {
  if (name === GENERIC_TYPE)
    throw new AppError('plugin_type.built_in', 'This type is built in; make one of another name.');
}

/** @throws AppError `plugin_type.not_found` */
export async function existingType(db: Db, name: string, version?: number): Promise<TypeRow> {
  return (await findType(db, name, version)) ?? missingType();
}

export function missingType(): never {
  throw new AppError(
    'plugin_type.not_found',
    'There is no such plugin type, or it has no such version; list the types first.',
  );
}

export function shownType({
  versionId: _version,
  createdAt,
  updatedAt,
  ...row
}: TypeRow): PluginType {
  return { ...row, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}
