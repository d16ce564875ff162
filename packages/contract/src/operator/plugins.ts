import { z } from 'zod';
import { instant, pluginTypeName, resourceName, uuid } from '../names.ts';
import { exactJsonObject, jsonObject } from '../storable-json.ts';
import { offlinePolicy } from './secrets.ts';

/** The type of a plugin for which none is named: any JSON object. */
export const GENERIC_TYPE = 'generic';

/** `PUT /api/v1/groups/:group/plugins/:plugin`. */
export const putPluginBody = z.strictObject({
  type: pluginTypeName
    .optional()
    .describe('Absent: as it was; `generic`, any JSON object, for one that is new'),
  offline: offlinePolicy
    .optional()
    .describe(
      'Absent: as it was; if it was never said, `allow` for as long as no field is encrypted',
    ),
  config: exactJsonObject.describe(
    '`{"$encrypted": true}` in the place of an encrypted field keeps its value. Whole numbers from 2^53 on are written as text',
  ),
});
export type PutPluginBody = z.output<typeof putPluginBody>;

/** `PATCH /api/v1/groups/:group/plugins/:plugin`. */
export const patchPluginBody = z
  .strictObject({
    type: pluginTypeName.optional(),
    offline: offlinePolicy.optional(),
    config: exactJsonObject.optional(),
  })
  .describe('A JSON Merge Patch (RFC 7396) of what a PUT takes.');
export type PatchPluginBody = z.output<typeof patchPluginBody>;

export const plugin = z.strictObject({
  id: uuid,
  name: resourceName,
  type: pluginTypeName,
  typeVersion: z.int().describe('The version of its type that it was last written under'),
  offline: offlinePolicy,
  version: z.int().describe('From 1, and one more with each write'),
  config: jsonObject.describe('With `{"$encrypted": true}` in the place of each encrypted field'),
  createdAt: instant,
  updatedAt: instant,
});
export type ShownPlugin = z.infer<typeof plugin>;
