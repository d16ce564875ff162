import { leasePolicy, type LeasePolicy } from '@sallyport/contract';

/** A lease policy as a secret's row keeps it: `maxTtlSeconds`, where nobody has said it, is absent and is `ttlSeconds`. */
export const storedPolicy = leasePolicy
  .partial({ maxTtlSeconds: true })
  .transform(({ ttlSeconds, maxTtlSeconds = ttlSeconds, maxUses, windows }): LeasePolicy => ({
    ttlSeconds,
    maxTtlSeconds,
    maxUses,
    windows,
  }));
