import type { agentFacts } from '@sallyport/contract';
import type { z } from 'zod';
import { VERSION } from './version.ts';

/** What the agent tells of its host. */
export function hostFacts(): z.infer<typeof agentFacts> {
  return {
    agentVersion: VERSION,
    platform: process.platform,
    architecture: process.arch,
    runtime: `node ${process.versions.node}`,
  };
}
