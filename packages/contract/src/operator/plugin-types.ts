import { z } from 'zod';
import { groupName, instant, pluginTypeName, remark, resourceName, uuid } from '../names.ts';
import { jsonObject, storableJsonObject } from '../storable-json.ts';

const MAX_PATHS = 64;

/**
 * Where a field is: a JSON Pointer (RFC 6901) in which a segment that is only an asterisk stands for every item
 * of an array and every value of an object.
 */
const fieldPath = z
  .string()
  .max(512)
  .regex(
    /^(?:\/(?:[^~/\0\p{Cs}]|~[01])*)+$/u,
    'use a JSON Pointer such as /auth/password or /targets/*/token',
  );

const definition = {
  description: remark(1024).default(''),
  /** JSON Schema, 2020-12. */
  schema: storableJsonObject,
  /** What is stored encrypted and never shown. */
  encryptedFields: z.array(fieldPath).max(MAX_PATHS).default([]),
  /** What stands in clear although its name looks like that of a secret. */
  publicFields: z.array(fieldPath).max(MAX_PATHS).default([]),
};

/** `POST /api/v1/plugin-types`. */
export const createPluginTypeBody = z.strictObject({ name: pluginTypeName, ...definition });

/** `POST /api/v1/plugin-types/:type/check`: what the next version would break, if it were this one. */
export const checkPluginTypeBody = z.strictObject(definition);
export type PluginTypeDefinition = z.output<typeof checkPluginTypeBody>;

/** `PUT /api/v1/plugin-types/:type`: its next version; with `force` also when plugins do not fit it. */
export const putPluginTypeBody = z.strictObject({
  ...definition,
  force: z.boolean().default(false),
});

const summary = {
  id: uuid,
  name: pluginTypeName,
  version: z.int(),
  description: z.string(),
  encryptedFields: z.array(z.string()),
  publicFields: z.array(z.string()),
  createdAt: instant,
  updatedAt: instant,
};

/** A plugin type in a list: without its schema. */
export const pluginTypeSummary = z.strictObject(summary);
export type PluginTypeSummary = z.infer<typeof pluginTypeSummary>;

export const pluginType = z.strictObject({ ...summary, schema: jsonObject });
export type PluginType = z.infer<typeof pluginType>;

export const pluginTypeVersion = z.strictObject({
  version: z.int(),
  createdAt: instant,
  createdBy: z.string(),
});

/** Query of `GET /api/v1/plugin-types/:type`; the current version when none is named. */
export const pluginTypeQuery = z.strictObject({
  version: z.coerce.number().pipe(z.int32().min(1)).optional(),
});

/** What of a plugin does not fit a version of its type, by the paths of its fields. */
const pluginBreak = z.strictObject({
  group: groupName,
  plugin: resourceName,
  problems: z.array(z.strictObject({ path: z.string(), problem: z.string() })),
});

/** The plugins that a version breaks; `more` counts those that are not named. */
export const pluginBreaks = z.strictObject({ breaks: z.array(pluginBreak), more: z.int() });
export type PluginBreaks = z.infer<typeof pluginBreaks>;

/** The reply to `PUT`: what was broken by force. */
export const changedPluginType = z.strictObject({
  ...pluginType.shape,
  ...pluginBreaks.shape,
});
