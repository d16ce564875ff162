import { z } from 'zod';

/** `GET /api/v1/system/info`. `caFingerprint` is the SHA-256 that agents and the CLI pin at first contact. */
export const systemInfo = z.strictObject({
  version: z.string(),
  protocol: z.int(),
  caFingerprint: z.string(),
  agentUrl: z.url(),
});
