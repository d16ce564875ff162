import { z } from 'zod';
import { instant, pluginTypeName, resourceName, uuid } from '../names.ts';
import { exactJsonObject, jsonObject } from '../storable-json.ts';
import { offlinePolicy } from './secrets.ts';

/** The type of a plugin for which none is named: any JSON object. */
export const GENERIC_TYPE = 'generic';

/**
 * `PUT /api/v1/groups/:group/plugins/:plugin`: creates or replaces it. `type` and `offline` stay as they were when
 * absent; `{"$encrypted": true}` in the place of an encrypted field keeps its value.
 */
export const putPluginBody = z.strictObject({
  type: pluginTypeName.optional(),
  offline: offlinePolicy.optional(),
  config: exactJsonObject,
});
export type PutPluginBody = z.output<typeof putPluginBody>;

/** `PATCH /api/v1/groups/:group/plugins/:plugin`: a JSON Merge Patch (RFC 7396) of what PUT takes. */
export const patchPluginBody = z.strictObject({
  type: pluginTypeName.optional(),
  offline: offlinePolicy.optional(),
  config: exactJsonObject.optional(),
});
export type PatchPluginBody = z.output<typeof patchPluginBody>;

/** `offline` is `allow` unless the plugin has an encrypted field or it was set otherwise. */
export const plugin = z.strictObject({
  id: uuid,
  name: resourceName,
  type: pluginTypeName,
  typeVersion: z.int(),
  offline: offlinePolicy,
  version: z.int(),
  config: jsonObject,
  createdAt: instant,
  updatedAt: instant,
});
export type ShownPlugin = z.infer<typeof plugin>;
