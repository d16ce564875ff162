import { z } from 'zod';
import type { StoreKind } from './keystore-error.ts';

const storeTypes = ['auto', 'pem', 'pkcs12', 'jks'] as const;

const holds: Record<StoreKind, string> = {
  keystore: 'a private key and its certificates',
  truststore: 'the certificates of the CAs that are trusted',
};

/**
 * The block of a keystore or a truststore. `what` begins the descriptions, `variables` the names of the environment
 * variables where the path of the block is not to make them, and `password` is the schema of a secret.
 */
export function storeSettings<Password extends z.ZodType>(
  kind: StoreKind,
  { what, variables, password }: { what: string; variables?: string; password: Password },
) {
  const as = (name: string, description: string) => ({
    description: `${what}: ${description}`,
    ...(variables === undefined ? {} : { env: `${variables}_${name}` }),
  });
  return z.strictObject({
    file: z
      .string()
      .regex(/^\//, 'use an absolute path')
      .optional()
      .meta(as('FILE', `file with ${holds[kind]}, read again when it changes`)),
    type: z
      .enum(storeTypes)
      .default('auto')
      .meta(as('TYPE', 'what the file is in: pem, pkcs12, jks, or auto for what its content says')),
    password: password.optional().meta(as('PASSWORD', `password of the ${kind}`)),
  });
}
