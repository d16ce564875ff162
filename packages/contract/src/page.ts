import { z } from 'zod';

/** Query of a list. `cursor` is of the list's own form. */
export function pageQuery<Cursor extends z.ZodType<string>>(cursor: Cursor) {
  return z.strictObject({
    limit: z.coerce.number().int().min(1).max(200).default(50).describe('How many items at most'),
    cursor: cursor.optional().describe('The `nextCursor` of the page before; absent for the first'),
  });
}

export type PageQuery = { limit: number; cursor?: string | undefined };

/** A page of a list. */
export function page<Item extends z.ZodType>(item: Item) {
  return z.strictObject({
    items: z.array(item),
    nextCursor: z.string().optional().describe('Absent on the last page'),
  });
}
