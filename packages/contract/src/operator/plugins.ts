import { z } from 'zod';
import { instant, resourceName, storableText, uuid } from '../names.ts';

/** A plugin's configuration: a JSON object. */
export const pluginConfig = z.record(z.string(), z.json());

const MAX_DEPTH = 32;

/** `PUT /api/v1/groups/:group/plugins/:plugin`: creates or replaces it; `config` is at most 32 levels deep. */
export const putPluginBody = z.strictObject({
  config: z.preprocess(refuseUnstorable, pluginConfig),
});

/** Before anything that calls itself for each level. */
function refuseUnstorable(config: unknown, context: z.RefinementCtx): unknown {
  let level = [config].filter(isContainer);
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH)
      return refuse(context, `use at most ${MAX_DEPTH} levels of objects and arrays`);
    const inside: unknown[] = level.flatMap((container) => Object.entries(container).flat());
    if (inside.some((item) => typeof item === 'string' && !storableText.test(item)))
      return refuse(context, 'use text without NUL that can be written in UTF-8');
    level = inside.filter(isContainer);
  }
  return config;
}

function isContainer(item: unknown): item is object {
  return typeof item === 'object' && item !== null;
}

function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue(message);
  return z.NEVER;
}

export const plugin = z.strictObject({
  id: uuid,
  name: resourceName,
  version: z.int(),
  config: pluginConfig,
  createdAt: instant,
  updatedAt: instant,
});
