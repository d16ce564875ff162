import { z } from 'zod';
import { storableText } from './names.ts';

/** Any JSON value. */
export const jsonValue = z.json();
export type JsonValue = z.infer<typeof jsonValue>;

/** A JSON object, as a database gives it back. */
export const jsonObject = z.record(z.string(), jsonValue);
export type JsonObject = z.infer<typeof jsonObject>;

const MAX_JSON_DEPTH = 32;

/** A JSON object that can be stored, at most 32 levels deep. */
export const storableJsonObject = z.preprocess(
  (json, context) => refuseUnstorable(json, context),
  jsonObject,
);

/** The same as it came: `12345678901234567890` is JSON, and another number here. */
export const exactJsonObject = z.preprocess(
  (json, context) => refuseUnstorable(json, context, { exact: true }),
  jsonObject,
);

/** Before anything that calls itself for each level. */
function refuseUnstorable(
  json: unknown,
  context: z.RefinementCtx,
  { exact }: { exact: boolean } = { exact: false },
): unknown {
  let level = [json].filter(isContainer);
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > MAX_JSON_DEPTH)
      return refuse(context, `use at most ${MAX_JSON_DEPTH} levels of objects and arrays`);
    const inside: unknown[] = level.flatMap((container) => Object.entries(container).flat());
    if (inside.some((item) => typeof item === 'string' && !storableText.test(item)))
      return refuse(context, 'use text without NUL that can be written in UTF-8');
    // `1e400` is JSON, and infinite here.
    if (inside.some((item) => typeof item === 'number' && !Number.isFinite(item)))
      return refuse(context, 'use numbers below 1.8e308');
    if (exact && inside.some((item) => Number.isInteger(item) && !Number.isSafeInteger(item)))
      return refuse(context, 'write whole numbers from 2^53 on as text, which keeps their digits');
    level = inside.filter(isContainer);
  }
  return json;
}

function isContainer(item: unknown): item is object {
  return typeof item === 'object' && item !== null;
}

function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue(message);
  return z.NEVER;
}
