/** The value that `share` (0 to 1) of the samples do not exceed: the nearest rank, no interpolation. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  const found = sorted[rank - 1];
  if (found === undefined) throw new Error('there are no samples');
  return found;
}
