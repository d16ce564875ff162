import { z } from 'zod';
import { MAX_OFFLINE_DAYS } from '../agent/offline-bundle.ts';
import { instant, uuid } from '../names.ts';

/** `POST /api/v1/agents/:agent/bundle`. */
export const exportBundleBody = z.strictObject({
  expiresInDays: z
    .int()
    .min(1)
    .max(MAX_OFFLINE_DAYS)
    .default(30)
    .describe('For how long the host may serve what is in it'),
});

export const exportedBundle = z.strictObject({
  agentId: uuid,
  revision: z.int().describe('Of the group'),
  issuedAt: instant,
  expiresAt: instant,
  signer: z
    .string()
    .describe('Thumbprint of the key that signed it, for `--signer` at the first import'),
  withheld: z
    .boolean()
    .describe('Whether the group has values that may not be kept on disk, which are not in it'),
  bundle: z.string().describe('A compact JWS, for `sallyport-agent bundle import`'),
});
export type ExportedBundle = z.infer<typeof exportedBundle>;
