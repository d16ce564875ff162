import type { Diagnosis } from '@sallyport/contract';

/** What an agent finds of itself, for tests that care for nothing in it. */
export const DIAGNOSIS: Diagnosis = {
  facts: { agentVersion: '0.1.0', platform: 'linux', architecture: 'x64', runtime: 'test' },
  uptimeSeconds: 1,
  clockOffsetMilliseconds: 0,
  tls: null,
  cache: { revision: 0, epoch: 0, entries: 0, bytes: 0 },
  disk: { durableBundleBytes: null, durableRevision: null, freeBytes: 1, quarantined: 0 },
};
