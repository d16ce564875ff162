type Item = string | number | null;

/**
 * A list as the text of a Postgres array, for items that need no quotes: ids, numbers, instants, base64. The driver
 * looks for quotes in every item, which is most of what it does for a statement with thousands of them.
 */
export function arrayLiteral(items: readonly Item[]): string {
  return `{${items.map((item) => item ?? 'NULL').join(',')}}`;
}
