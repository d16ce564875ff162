/** One block of a PEM text (RFC 7468): its label, and the block itself. */
export type PemBlock = { label: string; text: string };

/** The blocks of a PEM text. What stands around them is explanatory text (RFC 7468, section 5.2). */
export function pemBlocks(text: string): PemBlock[] {
  // Inside a block no two hyphens meet, so that the search is linear.
  const blocks = text.matchAll(
    /-----BEGIN ([A-Z0-9 ]{1,40})-----[^-]*(?:-[^-]+)*-----END \1-----/g,
  );
  return [...blocks].map(([block, label = '']) => ({ label, text: block }));
}
