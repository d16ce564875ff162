import { Counter, Gauge, Registry } from 'prom-client';
import { conditionCode } from './conditions.ts';
import { healthStatus, type Health } from './health.ts';
import type { RequestCounts } from './request-counts.ts';

/** The agent in Prometheus' text format, as it is now. Nothing in it names a value. */
export async function renderMetrics(health: Health, requests: RequestCounts): Promise<string> {
  const registry = new Registry();
  const gauge = (name: string, help: string, value: number | undefined) => {
    if (value !== undefined)
      new Gauge({ name: `sallyport_agent_${name}`, help, registers: [registry] }).set(value);
  };
  const status = new Gauge({
    name: 'sallyport_agent_status',
    help: '1 for the status that the agent has',
    labelNames: ['status'],
    registers: [registry],
  });
  for (const each of healthStatus.options)
    status.set({ status: each }, each === health.status ? 1 : 0);
  gauge('revision', 'Revision that is served, 0 before the first', health.revision);
  gauge('entries', 'Values that are held', health.entries);
  gauge(
    'stale_since_seconds',
    'When the values were last known to be current, while they are stale (Unix time)',
    seconds(health.staleSince),
  );
  gauge(
    'identity_expires_seconds',
    'When the client certificate expires (Unix time)',
    seconds(health.authentication.expiresAt),
  );
  gauge(
    'clock_offset_seconds',
    'How far this host’s clock is behind the control plane’s',
    health.clockOffsetMilliseconds === null ? undefined : health.clockOffsetMilliseconds / 1000,
  );
  gauge(
    'connected',
    'Whether the control plane is reached',
    Number(health.controlPlane.state === 'connected'),
  );
  gauge(
    'durable_failed',
    'Whether the bundle could not be kept on disk',
    Number(health.durable.error !== null),
  );
  gauge('file_problems', 'Files that are set and not taken', health.fileProblems.length);
  gauge('resident_memory_bytes', 'Memory of the process that is in RAM', process.memoryUsage.rss());
  providers(registry, health.providers);
  resources({ registry, health });
  counters(registry, requests);
  return registry.metrics();
}

function providers(registry: Registry, states: Health['providers']): void {
  if (states.length === 0) return;
  const registers = [registry];
  const labelNames = ['provider'];
  const counter = (name: string, help: string) =>
    new Counter({ name: `sallyport_agent_reference_${name}_total`, help, labelNames, registers });
  const calls = counter('calls', 'Times that a provider was asked for what a reference leads to');
  const failures = counter('failures', 'Times that it did not give it');
  const hits = counter('cache_hits', 'Reads of references that it was not asked for');
  const failing = new Gauge({
    name: 'sallyport_agent_reference_provider_failing',
    help: 'Whether the provider is left alone for a while because it fails',
    labelNames,
    registers,
  });
  for (const { provider, ...state } of states) {
    calls.inc({ provider }, state.calls);
    failures.inc({ provider }, state.failures);
    hits.inc({ provider }, state.cacheHits);
    failing.set({ provider }, state.failing === null ? 0 : 1);
  }
}

function resources({ registry, health }: { registry: Registry; health: Health }): void {
  const { freeDiskBytes, alarms } = health.resources;
  const registers = [registry];
  if (freeDiskBytes !== null)
    new Gauge({
      name: 'sallyport_agent_disk_free_bytes',
      help: 'Free where the state directory is',
      registers,
    }).set(freeDiskBytes);
  const short = new Gauge({
    name: 'sallyport_agent_resource_short',
    help: 'Whether the agent is short of it',
    labelNames: ['resource'],
    registers,
  });
  for (const resource of ['memory', 'cpu', 'disk'] as const)
    short.set({ resource }, Number(alarms.includes(resource)));
  const conditions = new Gauge({
    name: 'sallyport_agent_condition',
    help: 'Whether this is not as it should be',
    labelNames: ['condition'],
    registers,
  });
  for (const each of conditionCode.options)
    conditions.set(
      { condition: each },
      Number(health.conditions.some(({ code }) => code === each)),
    );
  new Gauge({
    name: 'sallyport_agent_events_waiting',
    help: 'Batches of audit events that the control plane does not have yet',
    registers,
  }).set(health.events.waiting);
  new Counter({
    name: 'sallyport_agent_events_dropped_total',
    help: 'Audit events that did not fit',
    registers,
  }).inc(health.events.dropped);
}

function counters(registry: Registry, requests: RequestCounts): void {
  const { user, system } = process.cpuUsage();
  new Counter({
    name: 'sallyport_agent_cpu_seconds_total',
    help: 'Processor time of the process',
    registers: [registry],
  }).inc((user + system) / 1e6);
  const answered = new Counter({
    name: 'sallyport_agent_requests_total',
    help: 'Requests of programs that were answered',
    labelNames: ['resource', 'status'],
    registers: [registry],
  });
  for (const { resource, status, count } of requests.list())
    answered.inc({ resource, status }, count);
}

function seconds(instant: string | null): number | undefined {
  return instant === null ? undefined : Date.parse(instant) / 1000;
}
