import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { tlsWarnings } from '@sallyport/tls/settings';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { compose, type ControlPlane } from './compose.ts';
import type { FirstOwner } from './operators/index.ts';
import { admitApplication } from './platform/application-role.ts';
import { systemClock } from './platform/clock.ts';
import type { ServerConfig } from './platform/config.ts';
import { createLog } from './platform/log.ts';
import { migrate } from './platform/migrate.ts';
import { openDatabase, type OpenDatabase } from './platform/open-database.ts';
import { lowerPoolThreads } from './platform/pool-threads.ts';
import { loadRootKeys } from './platform/root-key-source.ts';
import { RootKeys } from './platform/root-keys.ts';
import { welcome } from './welcome.ts';

const STOP_DEADLINE_MS = 20_000;
const LISTEN_FAILURES = new Map<unknown, string>([
  ['EADDRINUSE', 'is in use by another program'],
  ['EADDRNOTAVAIL', 'is not an address of this host'],
  ['EACCES', 'needs more rights'],
]);

/** Runs a control plane until it is told to stop. Logs go to standard error, words for people to standard output. */
export async function serve({
  config,
  warnings,
}: {
  config: ServerConfig;
  warnings: string[];
}): Promise<void> {
  const log = createLog(config.log.level, pino.destination(2));
  const weak = (['operatorApi', 'agentApi'] as const).flatMap((key) =>
    tlsWarnings(`${key}.tls`, config[key].tls),
  );
  for (const reason of [...warnings, ...weak]) log.warn({ reason }, 'configuration warning');
  const dataDir = resolve(config.dataDir);
  await mkdir(dataDir, { recursive: true });
  await lowerPoolThreads();
  const rootKeys = new RootKeys(await loadRootKeys(config, dataDir));
  const database = await openDatabase(config, dataDir, log);
  let controlPlane: ControlPlane | undefined;
  let firstOwner: FirstOwner | undefined;
  try {
    const ownerUrl = config.database.ownerUrl?.reveal() ?? database.url;
    await migrate(ownerUrl, { log: (reason) => log.info({ reason }, 'migrations') });
    await admitApplication(ownerUrl, database.url);
    controlPlane = await compose({
      config,
      databaseUrl: database.url,
      rootKeys,
      ownerUrl,
      clock: systemClock,
      log,
    });
    await listen(controlPlane, config);
    await writeFile(join(dataDir, 'ca.pem'), controlPlane.caCertificate);
    // Only where the password is shown, and last: a start that fails after it would have shown it to nobody.
    if (config.roles.includes('operator-api')) firstOwner = await controlPlane.createFirstOwner();
  } catch (error) {
    await controlPlane?.stop();
    await database.stop();
    throw error;
  }
  // Listened for before anybody is told that it runs: who reads that may stop it at once.
  const signalled = stopSignal();
  log.info(
    { url: controlPlane.agentUrl(), fingerprint: controlPlane.caFingerprint, roles: config.roles },
    'started',
  );
  process.stdout.write(welcome(controlPlane, config, firstOwner));
  log.info({ reason: await signalled }, 'stopping');
  await stop(controlPlane, database);
  log.info('stopped');
}

async function listen(controlPlane: ControlPlane, config: ServerConfig): Promise<void> {
  const { operatorApp, agentApp, metricsApp } = controlPlane;
  if (config.roles.includes('agent-api')) await listenOn(agentApp, config.agentApi, 'agentApi');
  if (config.roles.includes('operator-api'))
    await listenOn(operatorApp, config.operatorApi, 'operatorApi');
  await listenOn(metricsApp, config.metrics, 'metrics');
}

async function listenOn(
  app: Pick<FastifyInstance, 'listen'>,
  at: { host: string; port: number },
  key: string,
): Promise<void> {
  try {
    await app.listen(at);
  } catch (error) {
    const why = error instanceof Error && 'code' in error && LISTEN_FAILURES.get(error.code);
    if (typeof why !== 'string') throw error;
    throw new Error(`${at.host}:${at.port} ${why}; stop that, or set ${key}.host and ${key}.port`, {
      cause: error,
    });
  }
}

/** The first signal. Those after it change nothing: for one Ctrl-C below npm, several arrive. */
async function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, resolve);
  });
}

async function stop(controlPlane: ControlPlane, database: OpenDatabase): Promise<void> {
  const deadline = setTimeout(() => process.exit(1), STOP_DEADLINE_MS);
  await controlPlane.stop();
  await database.stop();
  clearTimeout(deadline);
}
