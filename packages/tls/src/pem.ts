import { CertificateError } from './certificate-error.ts';

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

/**
 * The blocks of a file, none of which may lack its end: a truststore that is cut off must not trust less in
 * silence.
 *
 * @throws CertificateError `certificate.keystore_malformed`
 */
export function pemBlocksOfFile(file: Buffer): PemBlock[] {
  const text = file.toString('latin1');
  const blocks = pemBlocks(text);
  const marks = text.match(/-----(BEGIN|END) /g) ?? [];
  if (marks.length === 2 * blocks.length) return blocks;
  throw new CertificateError(
    'certificate.keystore_malformed',
    'keystore',
    'A PEM block of the file has no end or no beginning: the file is cut off or damaged, export it again.',
  );
}
