/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const substituted = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const removed = (previous[column] ?? 0) + 1;
      const added = (current[column - 1] ?? 0) + 1;
      current.push(Math.min(substituted, removed, added));
    }
    previous = current;
  }
  return previous.at(-1) ?? a.length;
}

/** How far a known name is from one that was mistyped, or not typed to its end. */
function farFrom(typed: string, candidate: string): number {
  return /\w/.test(typed) && candidate.startsWith(typed) ? 0 : distance(typed, candidate);
}

/** `; did you mean …?` for the known name most like a mistyped one, or nothing when none is alike. */
export function didYouMean(name: string, known: readonly string[]): string {
  const ranked = known
    .map((candidate) => ({ candidate, far: farFrom(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.far - b.far);
  const [best] = ranked;
  // Of a short name half may be wrong, and no more: `log` is not what `foo` was to be.
  return best && best.far <= Math.max(2, name.length / 5) && best.far * 2 <= name.length
    ? `; did you mean ${best.candidate}?`
    : '';
}
