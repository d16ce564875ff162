import { createTestDatabase } from '@sallyport/testkit/database';
import type { QueueLeg } from '@sallyport/testkit/redis';
import { defaultTlsPolicy } from '@sallyport/tls/policy';
import { createLog } from '../src/platform/log.ts';
import { openQueueBackend, type QueueBackend } from '../src/platform/queue-backend.ts';

/** A queue back end without a control plane; `end` closes it and drops its database. */
export async function openQueueLeg({
  redisUrl,
  prefix,
}: QueueLeg): Promise<{ backend: QueueBackend; end: () => Promise<void> }> {
  const database = await createTestDatabase();
  const log = createLog('silent', { write: () => {} });
  const redis = redisUrl === undefined ? undefined : { url: redisUrl, tls: defaultTlsPolicy };
  const at = { connectionString: database.url };
  const backend = await openQueueBackend({ database: at, redis, prefix }, log);
  return {
    backend,
    end: async () => {
      await backend.close();
      await database.drop();
    },
  };
}
