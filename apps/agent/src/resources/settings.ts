import { z } from 'zod';

/** Where the agent says that it takes too much of its host. It goes on all the same. */
export const resourceSettings = z.strictObject({
  maxMemoryMiB: z.int().min(64).max(1_048_576).default(256).meta({
    env: 'SALLYPORT_AGENT_RESOURCES_MAX_MEMORY_MIB',
    description: 'MiB of memory that the agent may take before its status tells of it',
  }),
  maxCpuPercent: z.int().min(1).max(10_000).default(90).meta({
    env: 'SALLYPORT_AGENT_RESOURCES_MAX_CPU_PERCENT',
    description: 'Percent of one processor, over a quarter of a minute, likewise',
  }),
  minFreeDiskMiB: z.int().min(0).max(1_048_576).default(64).meta({
    env: 'SALLYPORT_AGENT_RESOURCES_MIN_FREE_DISK_MIB',
    description: 'MiB that have to be free where the state directory is, likewise',
  }),
});

export type ResourceLimits = z.output<typeof resourceSettings>;
