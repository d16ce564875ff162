import { z } from 'zod';
import { groupName, instant, pluginTypeName, remark, resourceName, uuid } from '../names.ts';
import { jsonObject, storableJsonObject } from '../storable-json.ts';

const MAX_PATHS = 64;

/** Where a field is. */
const fieldPath = z
  .string()
  .max(512)
  .regex(
    /^(?:\/(?:[^~/\0\p{Cs}]|~[01])*)+$/u,
    'use a JSON Pointer such as /auth/password or /targets/*/token',
  )
  .describe(
    'A JSON Pointer (RFC 6901) in which `*` stands for every item of an array and every value of an object',
  );

const definition = {
  description: remark(1024).default(''),
  schema: storableJsonObject.describe('JSON Schema, 2020-12'),
  encryptedFields: z
    .array(fieldPath)
    .max(MAX_PATHS)
    .default([])
    .describe('What is stored encrypted and never shown'),
  publicFields: z
    .array(fieldPath)
    .max(MAX_PATHS)
    .default([])
    .describe('What stands in clear although its name looks like that of a secret'),
};

/** `POST /api/v1/plugin-types`. */
export const createPluginTypeBody = z.strictObject({ name: pluginTypeName, ...definition });

/** `POST /api/v1/plugin-types/:type/check`: a next version. */
export const checkPluginTypeBody = z.strictObject(definition);
export type PluginTypeDefinition = z.output<typeof checkPluginTypeBody>;

/** `PUT /api/v1/plugin-types/:type`: its next version. */
export const putPluginTypeBody = z.strictObject({
  ...definition,
  force: z.boolean().default(false).describe('Whether it is made also when plugins do not fit it'),
});

const summary = {
  id: uuid,
  name: pluginTypeName,
  version: z.int().describe('From 1 on'),
  description: z.string(),
  encryptedFields: z.array(z.string()).describe('What is stored encrypted and never shown'),
  publicFields: z
    .array(z.string())
    .describe('What stands in clear although its name looks like that of a secret'),
  createdAt: instant,
  updatedAt: instant,
};

/** A plugin type in a list: without its schema. */
export const pluginTypeSummary = z.strictObject(summary);
export type PluginTypeSummary = z.infer<typeof pluginTypeSummary>;

export const pluginType = z.strictObject({
  ...summary,
  schema: jsonObject.describe('JSON Schema, 2020-12'),
});
export type PluginType = z.infer<typeof pluginType>;

export const pluginTypeVersion = z.strictObject({
  version: z.int(),
  createdAt: instant,
  createdBy: z.string().describe('Name of the operator or API key'),
});

/** Query of `GET /api/v1/plugin-types/:type`. */
export const pluginTypeQuery = z.strictObject({
  version: z.coerce.number().pipe(z.int32().min(1)).optional().describe('Absent: the newest'),
});

/** What of a plugin does not fit a version of its type. */
const pluginBreak = z.strictObject({
  group: groupName,
  plugin: resourceName,
  problems: z.array(
    z.strictObject({
      path: z.string().describe('Of the field, as a JSON Pointer'),
      problem: z.string(),
    }),
  ),
});

/** The plugins that do not fit a version. */
export const pluginBreaks = z.strictObject({
  breaks: z.array(pluginBreak).describe('The plugins that do not fit it'),
  more: z.int().describe('How many more do not, and are not named'),
});
export type PluginBreaks = z.infer<typeof pluginBreaks>;

/** The reply to `PUT`: what was broken by force. */
export const changedPluginType = z.strictObject({
  ...pluginType.shape,
  ...pluginBreaks.shape,
});
