import { BoundedPool, hashingBusy } from './bounded-pool.ts';
import type { Platform } from './platform.ts';

/** Each takes one of the runtime's four threads at most: a check of 0.1 s is all that files and names wait for. */
function queue(queued: number): BoundedPool {
  return new BoundedPool({ concurrency: 1, queued, refusal: hashingBusy });
}

/** A queue for each kind of caller, so that none holds another up. */
export function hashingQueues(): Pick<
  Platform,
  'hashing' | 'passwordHashing' | 'enrollmentHashing' | 'agentTokenHashing' | 'apiKeyHashing'
> {
  return {
    hashing: queue(64),
    passwordHashing: queue(16),
    enrollmentHashing: queue(16),
    agentTokenHashing: queue(64),
    apiKeyHashing: queue(16),
  };
}
