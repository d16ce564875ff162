/** One page of a list; `nextCursor` is absent on the last. */
export type Page<Item> = { items: Item[]; nextCursor?: string };

/** Makes a page of `limit + 1` rows read in the order of `cursorOf`. */
export function pageOf<Item>(
  rows: Item[],
  limit: number,
  cursorOf: (item: Item) => string,
): Page<Item> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > limit && last !== undefined
    ? { items, nextCursor: cursorOf(last) }
    : { items };
}
