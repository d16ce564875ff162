import { randomBytes } from 'node:crypto';
import { loadConfig } from '@sallyport/config/load';
import { Secret } from '@sallyport/config/secret';
import type { HashCosts } from '@sallyport/crypto/password';
import { createClock, type TestClock } from '@sallyport/testkit/clock';
import { createTestDatabase } from '@sallyport/testkit/database';
import type { QueueLeg } from '@sallyport/testkit/redis';
import { compose, type ControlPlane } from '../src/compose.ts';
import { serverConfig, type ServerConfig } from '../src/platform/config.ts';
import { connectionTo } from '../src/platform/database-connection.ts';
import { createLog } from '../src/platform/log.ts';
import { RootKeys } from '../src/platform/root-keys.ts';
import { OwnStores } from '../src/trust/index.ts';

export const OWNER_PASSWORD = 'correct horse battery staple';

/** Hashes that nobody waits for: of the same algorithms and form, and good for nothing but a test. */
export const LIGHT_HASHES: HashCosts = {
  argon2id: { memoryCost: 1024, timeCost: 2, parallelism: 1 },
  pbkdf2Iterations: 1_000,
};

/** Settings under which nothing happens but what the test does. */
export const WITHOUT_WORKER: Partial<ServerConfig> = { roles: ['operator-api', 'agent-api'] };

export type TestControlPlane = ControlPlane & {
  databaseUrl: string;
  clock: TestClock;
  rootKey: Uint8Array;
  /** Everything that was logged so far. */
  logged: () => string;
  /** Stops it and drops its database. */
  end(): Promise<void>;
};

/** A real control plane on a database of its own; nothing listens until `listen` is called on an app. */
export async function startControlPlane(
  options: {
    leg?: QueueLeg;
    databaseUrl?: string;
    /** Of the login that owns the database, when that is another. */
    ownerUrl?: string;
    rootKey?: Uint8Array;
    /** More than one, while the root key is rotated. */
    rootKeys?: [Uint8Array, ...Uint8Array[]];
    startMs?: number;
    /** `HASH_COSTS` where what a hash costs, or how it is stored, is what a test is about. */
    hashCosts?: HashCosts;
    /** What is configured otherwise than by default. */
    settings?: Partial<ServerConfig>;
  } = {},
): Promise<TestControlPlane> {
  const database = options.databaseUrl === undefined ? await createTestDatabase() : undefined;
  const databaseUrl = database?.url ?? options.databaseUrl ?? '';
  const lines: string[] = [];
  const log = createLog('debug', { write: (line: string) => void lines.push(line) });
  const clock = createClock(options.startMs);
  const rootKeys = options.rootKeys ?? [options.rootKey ?? randomBytes(32)];
  const [rootKey] = rootKeys;
  const { config } = loadConfig(serverConfig, { env: {}, programName: 'test' });
  const at = (url: string) =>
    connectionTo(url, options.settings?.database?.tls ?? config.database.tls);
  const settings: ServerConfig = {
    ...config,
    // The clock stands still, so that limits would never open again.
    rateLimits: {
      perPrincipal: 1e6,
      perAddress: 1e6,
      eventsPerAgent: 1e6,
      signInsPerMinute: 1e6,
    },
    ...options.settings,
    owner: { name: 'owner', password: new Secret(OWNER_PASSWORD) },
    redis: {
      ...config.redis,
      url: options.leg?.redisUrl === undefined ? undefined : new Secret(options.leg.redisUrl),
    },
  };
  const own = await OwnStores.open(settings, () => clock.now());
  const controlPlane = await compose({
    config: settings,
    database: at(databaseUrl),
    ...(options.ownerUrl === undefined ? {} : { owner: at(options.ownerUrl) }),
    rootKeys: new RootKeys(rootKeys),
    own,
    clock,
    log,
    hashCosts: options.hashCosts ?? LIGHT_HASHES,
    ...(options.leg === undefined ? {} : { queuePrefix: options.leg.prefix }),
  });
  await controlPlane.createFirstOwner();
  return {
    ...controlPlane,
    databaseUrl,
    clock,
    rootKey,
    logged: () => lines.join(''),
    end: async () => {
      await controlPlane.stop();
      await database?.drop();
    },
  };
}
