import { z } from 'zod';

/** Query of every list: at most `limit` rows after the opaque `cursor` of the page before. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(256).optional(),
});

export type PageQuery = z.infer<typeof pageQuery>;

/** A page: `nextCursor` is absent on the last one. */
export function page<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ items: z.array(item), nextCursor: z.string().optional() });
}
