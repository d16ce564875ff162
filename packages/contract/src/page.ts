import { z } from 'zod';

/** Query of a list: at most `limit` rows after `cursor`, the `nextCursor` of the page before, of the list's own form. */
export function pageQuery<Cursor extends z.ZodType<string>>(cursor: Cursor) {
  return z.strictObject({
    limit: z.coerce.number().int().min(1).max(200).default(50),
    cursor: cursor.optional(),
  });
}

export type PageQuery = { limit: number; cursor?: string | undefined };

/** A page: `nextCursor` is absent on the last one. */
export function page<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ items: z.array(item), nextCursor: z.string().optional() });
}
