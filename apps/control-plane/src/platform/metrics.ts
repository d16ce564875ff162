import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics, register } from 'prom-client';
import { inTimeOr } from './in-time-or.ts';

/** Prometheus waits ten seconds: a database that is silent must not take with it what the process knows by itself. */
const SOURCE_PATIENCE_MS = 3_000;

/** Every metric of the control plane, in one place. */
export type Metrics = ReturnType<typeof createMetrics>;

/** What is asked at each scrape. */
export type MetricSources = {
  waitingPulls: () => number;
  /** How many certificates expire within so many days; empty when that cannot be told. */
  expiringCertificates: () => Promise<ReadonlyMap<number, number>>;
  /** How many agents there are by state; empty when that cannot be told. */
  agents: () => Promise<ReadonlyMap<string, number>>;
  /** Files of the organisation's certificates that changed and are not taken. */
  refusedFiles: () => number;
  /** When the certificates of the keystores end, by the keys of their settings. */
  keystoreEnds: () => ReadonlyMap<string, Date>;
};

/** From now on until it ends the process is measured, too: its memory, its event loop. Once in each. */
export function measureProcess(): void {
  // By default it wakes a hundred times a second, which was a fifth of what an idle control plane takes.
  collectDefaultMetrics({ eventLoopMonitoringPrecision: 50 });
}

/** What there is to tell, of a control plane and of the process that it runs in, as Prometheus reads it. */
export function renderMetrics({ registry }: Pick<Metrics, 'registry'>): Promise<string> {
  return Registry.merge([register, registry]).metrics();
}

export function createMetrics(sources: MetricSources) {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    httpSeconds: new Histogram({
      name: 'sallyport_http_request_seconds',
      help: 'Time to answer a request, waiting pulls left out',
      labelNames: ['listener', 'method', 'route', 'status'],
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      registers,
    }),
    waitingPulls: new Gauge({
      name: 'sallyport_waiting_pulls',
      help: 'Agents whose pull waits on this replica',
      registers,
      collect() {
        this.set(sources.waitingPulls());
      },
    }),
    refusedFiles: refusedFilesGauge(registers, sources.refusedFiles),
    keystoreEnds: keystoreEndsGauge(registers, sources.keystoreEnds),
    expiringCertificates: expiringGauge(registers, sources.expiringCertificates),
    agents: agentsGauge(registers, sources.agents),
    deliveries: new Counter({
      name: 'sallyport_deliveries_total',
      help: 'Pulls answered with a bundle',
      registers,
    }),
    bundlesBuilt: new Counter({
      name: 'sallyport_bundles_built_total',
      help: 'Bundles signed and encrypted by this replica',
      registers,
    }),
    bundleSeconds: new Histogram({
      name: 'sallyport_bundle_build_seconds',
      help: 'Time to build a bundle',
      buckets: [0.002, 0.005, 0.01, 0.05, 0.25, 1],
      registers,
    }),
    acknowledged: new Counter({
      name: 'sallyport_acknowledgements_total',
      help: 'Acknowledgements written to the database',
      registers,
    }),
    refusals: new Counter({
      name: 'sallyport_refusals_total',
      help: 'Requests refused, by error code',
      labelNames: ['code'],
      registers,
    }),
    tasks: new Counter({
      name: 'sallyport_tasks_total',
      help: 'Task transitions',
      labelNames: ['transition'],
      registers,
    }),
  };
}

function agentsGauge(registers: Registry[], counts: MetricSources['agents']) {
  return new Gauge({
    name: 'sallyport_agents',
    help: 'Agents of all groups that are not revoked, by state',
    labelNames: ['state'],
    registers,
    async collect() {
      this.reset();
      for (const [state, count] of await inTimeOr(counts(), SOURCE_PATIENCE_MS, new Map()))
        this.set({ state }, count);
    },
  });
}

function expiringGauge(registers: Registry[], counts: MetricSources['expiringCertificates']) {
  return new Gauge({
    name: 'sallyport_certificates_expiring',
    help: 'Certificates of all groups that expire within so many days, the expired ones among them',
    labelNames: ['within_days'],
    registers,
    async collect() {
      this.reset();
      for (const [days, count] of await inTimeOr(counts(), SOURCE_PATIENCE_MS, new Map()))
        this.set({ within_days: days }, count);
    },
  });
}

function refusedFilesGauge(registers: Registry[], count: MetricSources['refusedFiles']) {
  return new Gauge({
    name: 'sallyport_certificate_files_refused',
    help: 'Files of keystores and truststores that changed and are not taken; what they held before still counts',
    registers,
    collect() {
      this.set(count());
    },
  });
}

function keystoreEndsGauge(registers: Registry[], ends: MetricSources['keystoreEnds']) {
  return new Gauge({
    name: 'sallyport_keystore_expiry_timestamp_seconds',
    help: 'When the certificate of a keystore that is set ends, since the epoch',
    labelNames: ['setting'],
    registers,
    collect() {
      this.reset();
      for (const [setting, at] of ends()) this.set({ setting }, at.getTime() / 1000);
    },
  });
}
