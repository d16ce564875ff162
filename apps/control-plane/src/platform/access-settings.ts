import type { HashCosts, PasswordPolicy } from '@sallyport/crypto/password';
import { z } from 'zod';

const fips = z
  .boolean()
  .default(false)
  .describe(
    'Hash passwords with PBKDF2-HMAC-SHA512, and refuse those that are stored as argon2id until they are reset',
  );

const passwordHash = z
  .enum(['argon2id', 'pbkdf2'])
  .optional()
  .describe(
    'How a password is hashed when it is set or next used to sign in; unset: argon2id, or pbkdf2 with fips',
  );

const sessions = z
  .strictObject({
    maxHours: z.int().min(1).max(168).default(12).describe('How long an operator’s session lasts'),
    idleMinutes: z
      .int()
      .min(5)
      .max(1440)
      .default(60)
      .describe('A session that was not used for this long has ended'),
  })
  .prefault({});

const rateLimits = z
  .strictObject({
    perPrincipal: rate(600).describe(
      'Requests a second of one operator, API key or agent, at each replica; ten times as many at once',
    ),
    perAddress: rate(1000).describe(
      'The same of one address (IPv6: one /64) that shows no credential, or a wrong one',
    ),
    eventsPerAgent: rate(50).describe(
      'Audit events a second that one agent may report, at each replica; what is over it waits on the agent’s disk. Also leases a second that it may take or renew',
    ),
    signInsPerMinute: rate(10).describe(
      'Failed sign-ins a minute of one address, and at one operator’s name, at each replica',
    ),
  })
  .prefault({});

const trustProxy = z
  .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]))
  .max(32)
  // Were everybody a proxy, an address would be what its client says it is.
  .refine((proxies) => !proxies.some((proxy) => proxy.endsWith('/0')), {
    message: 'may not trust every address: name the proxies',
  })
  .default([])
  .describe(
    'Proxies, by address or CIDR, whose X-Forwarded-For is believed; nobody’s is by default',
  );

/** Who is let in, for how long, and how often it may come. */
export const accessSettings = { fips, passwordHash, sessions, rateLimits, trustProxy };

/** How passwords are hashed under these settings. */
export function passwordPolicyOf(
  settings: { fips: boolean; passwordHash?: PasswordPolicy['scheme'] | undefined },
  costs: HashCosts,
): PasswordPolicy {
  const scheme = settings.passwordHash ?? (settings.fips ? 'pbkdf2' : 'argon2id');
  return { fips: settings.fips, scheme, costs };
}

function rate(times: number) {
  return z.int().min(1).max(1_000_000).default(times);
}
