import { z } from 'zod';
import { instant, resourceName, uuid } from '../names.ts';

/** A plugin's configuration: any JSON object. */
export const pluginConfig = z.record(z.string(), z.json());

/** `PUT /api/v1/groups/:group/plugins/:plugin`: creates or replaces it. */
export const putPluginBody = z.strictObject({ config: pluginConfig });

export const plugin = z.strictObject({
  id: uuid,
  name: resourceName,
  version: z.int(),
  config: pluginConfig,
  createdAt: instant,
  updatedAt: instant,
});
