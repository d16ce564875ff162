import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { NewEvent } from '../events/agent-events.ts';
import { silentLog, type LogFields } from '../log.ts';
import { measureProcess, ResourceMonitor, type Usage } from './resource-monitor.ts';

const MIB = 1024 * 1024;
const limits = { maxMemoryMiB: 100, maxCpuPercent: 50, minFreeDiskMiB: 10 };
const fine: Usage = { memoryBytes: 50 * MIB, cpuPercent: 1, freeDiskBytes: 100 * MIB };

let usage: Usage;
let recorded: NewEvent[];
let logged: string[];
let monitor: ResourceMonitor;
beforeEach(() => {
  usage = fine;
  recorded = [];
  logged = [];
  const at = (level: string) => (fields: LogFields, message: string) =>
    void logged.push(`${level} ${fields.code}: ${message}`);
  monitor = new ResourceMonitor({
    limits,
    measure: async () => usage,
    record: (event) => void recorded.push(event),
    log: { ...silentLog, info: at('info'), warn: at('warn') },
  });
});

describe('[AT-47] [AT-46] [AT-44] the agent tells', () => {
  test.each<['memory' | 'cpu' | 'disk', Partial<Usage>, Partial<Usage>]>([
    ['memory', { memoryBytes: 100 * MIB + 1 }, { memoryBytes: 95 * MIB }],
    ['cpu', { cpuPercent: 51 }, { cpuPercent: 46 }],
    ['disk', { freeDiskBytes: 10 * MIB - 1 }, { freeDiskBytes: 10.5 * MIB }],
  ])(
    'when it is short of %s, once, and when there is enough again',
    async (resource, short, almost) => {
      await monitor.look();
      expect(monitor.state().alarms).toEqual([]);
      usage = { ...fine, ...short };
      for (const _ of [1, 2]) await monitor.look();
      expect(monitor.state().alarms).toEqual([resource]);
      usage = { ...fine, ...almost };
      await monitor.look();
      expect(monitor.state().alarms).toEqual([resource]);
      usage = fine;
      await monitor.look();
      expect(monitor.state().alarms).toEqual([]);
      expect(recorded).toMatchObject([
        { action: 'resource:alarm', outcome: 'refused', code: `resource.${resource}` },
        { action: 'resource:alarm', outcome: 'done' },
      ]);
      expect(logged).toEqual([
        `warn resource.${resource}: the agent is short of ${resource}`,
        `info resource.${resource}: the agent has enough ${resource} again`,
      ]);
    },
  );

  test('what it really uses', async () => {
    const measure = measureProcess(import.meta.dirname);
    expect(await measure()).toMatchObject({ cpuPercent: 0 });
    const until = performance.now() + 50;
    while (performance.now() < until);
    const { memoryBytes, cpuPercent, freeDiskBytes } = await measure();
    expect(memoryBytes).toBeGreaterThan(20 * MIB);
    expect(cpuPercent).toBeGreaterThan(10);
    expect(freeDiskBytes).toBeGreaterThan(0);
  });

  test('of a file system that cannot be asked, as once it is gone, that nothing is free', async () => {
    const measure = measureProcess(join(import.meta.dirname, 'nowhere'));
    expect(await measure()).toMatchObject({ freeDiskBytes: 0 });
  });
});
