import { z } from 'zod';
import { MAX_OFFLINE_DAYS } from '../agent/offline-bundle.ts';
import { instant, uuid } from '../names.ts';

/** `POST /api/v1/agents/:agent/bundle`: for how long what is exported may be served. */
export const exportBundleBody = z.strictObject({
  expiresInDays: z.int().min(1).max(MAX_OFFLINE_DAYS).default(30),
});

/**
 * `bundle` is a compact JWS, for `sallyport-agent bundle import`; `signer` is the thumbprint of the key that signed
 * it. `withheld`: the group has values that may not be kept on disk, which are not in it.
 */
export const exportedBundle = z.strictObject({
  agentId: uuid,
  revision: z.int(),
  issuedAt: instant,
  expiresAt: instant,
  signer: z.string(),
  withheld: z.boolean(),
  bundle: z.string(),
});
export type ExportedBundle = z.infer<typeof exportedBundle>;
