/** A text, and the colon that makes it a name. */
const TEXT = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/g;

/**
 * What a line of JSON says; `undefined` when it is none, or when some object has two members of one name (RFC 8259,
 * section 4): others may read the one that this program does not see.
 */
export function jsonOfLine(line: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  return namesIn(line) === membersOf(value) ? value : undefined;
}

function namesIn(line: string): number {
  let names = 0;
  for (const [, colon] of line.matchAll(TEXT)) names += colon === undefined ? 0 : 1;
  return names;
}

/** Without calling itself: nothing is known yet of how deep it is. */
function membersOf(value: unknown): number {
  const left = [value];
  let members = 0;
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const items: unknown[] = Object.values(next);
    if (!Array.isArray(next)) members += items.length;
    for (const item of items) left.push(item);
  }
  return members;
}
