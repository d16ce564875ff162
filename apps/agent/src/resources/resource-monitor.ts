import { statfs } from 'node:fs/promises';
import type { RecordEvent } from '../events/agent-events.ts';
import type { Log } from '../log.ts';
import { codeOf } from '../state/system-error.ts';
import type { ResourceLimits } from './settings.ts';

/** What the agent takes of its host, and what is left; `cpuPercent` is of one processor, since the look before. */
export type Usage = { memoryBytes: number; cpuPercent: number; freeDiskBytes: number };

export type Resource = 'memory' | 'cpu' | 'disk';
export type ResourceState = { usage: Usage | undefined; alarms: Resource[] };

/** An alarm ends once there is a tenth of room, so that it does not come and go. */
const ROOM = 0.1;
const MIB = 1024 * 1024;

export type MonitorParts = {
  limits: ResourceLimits;
  measure: () => Promise<Usage>;
  record: RecordEvent;
  log: Log;
};

/** Looks at what the agent uses, and tells when it is too much, and when it is not any more. */
export class ResourceMonitor {
  readonly #parts: MonitorParts;
  readonly #alarms = new Set<Resource>();
  #usage: Usage | undefined;

  constructor(parts: MonitorParts) {
    this.#parts = parts;
  }

  state(): ResourceState {
    return { usage: this.#usage, alarms: [...this.#alarms] };
  }

  async look(): Promise<void> {
    const { limits, measure } = this.#parts;
    const usage = await measure();
    this.#usage = usage;
    const used: Record<Resource, number> = {
      memory: usage.memoryBytes / (limits.maxMemoryMiB * MIB),
      cpu: usage.cpuPercent / limits.maxCpuPercent,
      // Of what has to be left: above one there is less.
      disk: (limits.minFreeDiskMiB * MIB) / Math.max(usage.freeDiskBytes, 1),
    };
    for (const resource of ['memory', 'cpu', 'disk'] as const)
      this.#judge(resource, used[resource]);
  }

  #judge(resource: Resource, used: number): void {
    const isOn = this.#alarms.has(resource);
    if (!isOn && used > 1) {
      this.#alarms.add(resource);
      this.#tell(resource, 'refused');
    } else if (isOn && used < 1 - ROOM) {
      this.#alarms.delete(resource);
      this.#tell(resource, 'done');
    }
  }

  /** `refused`: there is too little of it; `done`: there is enough again. */
  #tell(resource: Resource, outcome: 'refused' | 'done'): void {
    const { record, log } = this.#parts;
    const code = `resource.${resource}`;
    record({ action: 'resource:alarm', subject: resource, outcome, code });
    if (outcome === 'refused') log.warn({ code }, `the agent is short of ${resource}`);
    else log.info({ code }, `the agent has enough ${resource} again`);
  }
}

/** Measures this process and the file system that a directory is on. What it took to start counts for nothing. */
export function measureProcess(directory: string): () => Promise<Usage> {
  let before: { cpu: NodeJS.CpuUsage; at: number } | undefined;
  return async () => {
    const now = { cpu: process.cpuUsage(), at: performance.now() };
    const { cpu, at } = before ?? now;
    const busyMs = (now.cpu.user + now.cpu.system - cpu.user - cpu.system) / 1000;
    const cpuPercent = Math.round((100 * busyMs) / Math.max(now.at - at, 1));
    before = now;
    const freeDiskBytes = await freeBytesAt(directory);
    return { memoryBytes: process.memoryUsage.rss(), cpuPercent, freeDiskBytes };
  };
}

/** None where the file system cannot be asked: nothing can be kept there. */
async function freeBytesAt(directory: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return 0;
  }
}
