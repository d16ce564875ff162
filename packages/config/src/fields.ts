import { z } from 'zod';
import { Secret } from './secret.ts';

/**
 * A value that must not be printed: parsed into a `Secret`, also readable from `<NAME>_FILE`. Give its
 * variable and text with `.meta({ env: 'DATABASE_URL', description: '…' })`; never give it a default. Where it is
 * secret in part, `holdsSecret` tells whether a text has that part: without it nobody is warned of a plain file.
 */
export function secret(
  text: z.ZodType<string, string> = z.string().min(1),
  holdsSecret: (text: string) => boolean = () => true,
) {
  return text.transform((value) => new Secret(value)).meta({ secret: true, holdsSecret });
}

/** A TCP port; 0 lets the system choose a free one. */
export function port() {
  return z.int().min(0).max(65_535);
}
