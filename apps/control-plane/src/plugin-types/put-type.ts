import {
  counted,
  type PluginBreaks,
  type PluginType,
  type PluginTypeDefinition,
  type ProblemIssue,
} from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import { isUniqueViolation } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { lintType } from './lint-type.ts';
import { existingType, missingType, refuseBuiltIn, shownType } from './plugin-types.service.ts';
import {
  addTypeVersion,
  findType,
  insertType,
  type NewVersion,
  type TypeRow,
} from './plugin-types.store.ts';

type Marked = Pick<TypeRow, 'encryptedFields' | 'publicFields'>;

/** Finds the plugins that a version would break; the slice of the plugins knows how. */
export type FindBreaks = (
  op: Operation,
  type: TypeRow,
  next: PluginTypeDefinition,
) => Promise<PluginBreaks>;

export async function createType(
  { db, clock }: Platform,
  op: Operation,
  { name, ...definition }: PluginTypeDefinition & { name: string },
): Promise<PluginType> {
  op.authorize('plugin-type:write');
  refuseUnfit(definition);
  const first = versionOf(op, definition, clock.now());
  try {
    return await db.transaction(async (tx) => {
      const type = await insertType(tx, { id: newId(), name, createdAt: first.createdAt }, first);
      const details = { version: type.version, ...remarked(type) };
      await appendAuditEvent(tx, op, { ...act(type), details }, clock.now());
      return shownType(type);
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new AppError(
      'plugin_type.exists',
      'A plugin type of this name exists already; PUT gives it another version.',
      { cause: error },
    );
  }
}

/**
 * Tells which plugins the next version of a type would break. What an answer tells of an encrypted field is little,
 * but of many answers much can be learned: so it is a writer's right, and each is audited.
 */
export async function checkType(
  { db, clock }: Platform,
  op: Operation,
  name: string,
  definition: PluginTypeDefinition,
  findBreaks: FindBreaks,
): Promise<PluginBreaks> {
  op.authorize('plugin-type:write');
  refuseUnfit(definition);
  const type = await db.read((reader) => existingType(reader, name));
  await db.transaction((tx) =>
    appendAuditEvent(tx, op, { ...act(type), action: 'plugin-type:check' }, clock.now()),
  );
  return findBreaks(op, type, definition);
}

/**
 * Gives a type its next version. Plugins stay with the version that they were written under until they are written
 * again, so that nothing happens to those that do not fit; still it is refused because of them without `force`.
 *
 * @throws AppError `plugin_type.breaks_plugins`
 */
export async function putType(
  { db, clock }: Platform,
  op: Operation,
  name: string,
  { force, ...definition }: PluginTypeDefinition & { force: boolean },
  findBreaks: FindBreaks,
): Promise<PluginType & PluginBreaks> {
  op.authorize('plugin-type:write');
  refuseBuiltIn(name);
  refuseUnfit(definition);
  const type = await db.read((reader) => existingType(reader, name));
  const found = await findBreaks(op, type, definition);
  const broken = found.breaks.length + found.more;
  if (broken > 0 && !force) {
    const refused = { ...act(type), outcome: 'refused', details: { broken } } as const;
    // It has told as much as a check tells.
    await db.transaction((tx) => appendAuditEvent(tx, op, refused, clock.now()));
    throw new AppError(
      'plugin_type.breaks_plugins',
      `${counted(broken, 'plugin of this type does', 'plugins of this type do')} not fit this version; change what does not first, or use force: it stays as it is until it is written again.`,
      { issues: found.breaks.flatMap(breakIssues) },
    );
  }
  return db.transaction(async (tx) => {
    const version = versionOf(op, definition, clock.now());
    const next = (await addTypeVersion(tx, type.id, version)) ?? missingType();
    // Not the one that was read before: another may have come between.
    const before = await findType(tx, name, next.version - 1);
    const details = { version: next.version, broken, ...remarked(next, before) };
    await appendAuditEvent(tx, op, { ...act(next), details }, clock.now());
    return { ...shownType(next), ...found };
  });
}

function act({ name, version }: TypeRow) {
  return {
    action: 'plugin-type:write',
    subject: `plugin-type:${name}`,
    outcome: 'done',
    details: { version },
  } as const;
}

/** The paths that became encrypted or public with a version, and those that ceased to be. */
function remarked(next: Marked, before: Marked = { encryptedFields: [], publicFields: [] }) {
  return {
    encryptedAdded: without(next.encryptedFields, before.encryptedFields),
    encryptedRemoved: without(before.encryptedFields, next.encryptedFields),
    publicAdded: without(next.publicFields, before.publicFields),
    publicRemoved: without(before.publicFields, next.publicFields),
  };
}

function without(paths: readonly string[], others: readonly string[]): string[] {
  return paths.filter((path) => !others.includes(path)).toSorted();
}

function refuseUnfit(definition: PluginTypeDefinition): void {
  const issues = lintType(definition);
  if (issues.length === 0) return;
  const fields = issues.slice(0, 3).map(({ field }) => field);
  throw new AppError('request.invalid', `The plugin type is not valid: see ${fields.join(', ')}.`, {
    issues,
  });
}

function breakIssues({ group, plugin, problems }: PluginBreaks['breaks'][number]): ProblemIssue[] {
  return problems.map(({ path, problem }) => ({
    field: `${group}/${plugin}${path === '' ? '' : `:${path}`}`,
    message: problem,
  }));
}

function versionOf(op: Operation, definition: PluginTypeDefinition, nowMs: number): NewVersion {
  return { id: newId(), ...definition, createdBy: op.actor.name, createdAt: new Date(nowMs) };
}
