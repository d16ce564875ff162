import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { tlsWarnings } from '@sallyport/tls/settings';
import type { FastifyInstance } from 'fastify';
import { compose, type ControlPlane } from './compose.ts';
import { admitApplication } from './platform/application-role.ts';
import { systemClock } from './platform/clock.ts';
import type { ServerConfig } from './platform/config.ts';
import { makeDataFolder } from './platform/data-folder.ts';
import { createLog, type Log } from './platform/log.ts';
import { measureProcess } from './platform/metrics.ts';
import { migrate } from './platform/migrate.ts';
import { openDatabase, type OpenDatabase } from './platform/open-database.ts';
import { openFilesWarning } from './platform/open-files.ts';
import { lowerPoolThreads } from './platform/pool-threads.ts';
import { loadRootKeys } from './platform/root-key-source.ts';
import { RootKeys } from './platform/root-keys.ts';
import { stopSignal } from './platform/stop-signal.ts';
import { OwnStores } from './trust/index.ts';
import { welcome } from './welcome.ts';

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
  const log = createLog(config.log.level);
  const stopping = stopSignal(log);
  const weak = (['database', 'redis', 'operatorApi', 'agentApi', 'dialer'] as const).flatMap(
    (key) => tlsWarnings(`${key}.tls`, config[key].tls),
  );
  for (const reason of [...warnings, ...weak]) log.warn({ reason }, 'configuration warning');
  // Before anything is made or migrated: a start that is refused leaves all as it was.
  const own = await OwnStores.open(config, () => systemClock.now());
  const dataDir = resolve(config.dataDir);
  await makeDataFolder(dataDir);
  await lowerPoolThreads();
  measureProcess();
  const rootKeys = new RootKeys(await loadRootKeys(config, dataDir));
  const database = await openDatabase(config, dataDir, log).catch((error: unknown) => {
    // A Ctrl-C reaches a program that is about to be started too, which then fails for no other reason.
    if (!stopping.aborted) throw error;
  });
  try {
    if (database !== undefined)
      await runOn(database, { config, dataDir, rootKeys, own, log, stopping });
  } finally {
    await database?.stop();
  }
  log.info('stopped');
}

type Start = {
  config: ServerConfig;
  dataDir: string;
  rootKeys: RootKeys;
  own: OwnStores;
  log: Log;
  stopping: AbortSignal;
};

/** Told to stop while it starts, it ends as soon as the step it is at is done: none is left half done. */
async function runOn(database: OpenDatabase, start: Start): Promise<void> {
  const { config, rootKeys, own, log, stopping } = start;
  if (stopping.aborted) return;
  const { connection, ownerConnection: owner } = database;
  await migrate(owner, { log: (reason) => log.info({ reason }, 'migrations') });
  if (stopping.aborted) return;
  await admitApplication(owner, connection);
  const controlPlane = await compose({
    config,
    database: connection,
    rootKeys,
    own,
    owner,
    clock: systemClock,
    log,
  });
  try {
    if (!stopping.aborted) await offer(controlPlane, start);
  } finally {
    await controlPlane.stop();
  }
}

async function offer(
  controlPlane: ControlPlane,
  { config, dataDir, log, stopping }: Start,
): Promise<void> {
  await listen(controlPlane, config);
  await replaceFile(join(dataDir, 'ca.pem'), controlPlane.caCertificate);
  // Only where the password is shown, and last: a start that fails after it would have shown it to nobody.
  const firstOwner = config.roles.includes('operator-api')
    ? await controlPlane.createFirstOwner()
    : undefined;
  const tooFew = await openFilesWarning(config);
  if (tooFew !== undefined) log.warn({ reason: tooFew }, 'few open files');
  log.info(
    { url: controlPlane.agentUrl(), fingerprint: controlPlane.caFingerprint, roles: config.roles },
    'started',
  );
  // Whoever was to read it may be gone; agents and operators are not.
  process.stdout.on('error', () => {});
  process.stdout.write(welcome(controlPlane, config, firstOwner));
  if (!stopping.aborted) await once(stopping, 'abort');
}

/** Whoever reads it meanwhile has the old text or the new one, as a whole. */
async function replaceFile(path: string, text: string): Promise<void> {
  const unfinished = `${path}.${randomUUID()}`;
  try {
    await writeFile(unfinished, text);
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
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
  // Of that word Fastify makes a second server, on ::1, which no limit, no new certificate and no change of CAs reaches.
  const host = at.host === 'localhost' ? '127.0.0.1' : at.host;
  try {
    await app.listen({ host, port: at.port });
  } catch (error) {
    const why = error instanceof Error && 'code' in error && LISTEN_FAILURES.get(error.code);
    if (typeof why !== 'string') throw error;
    throw new Error(`${at.host}:${at.port} ${why}; stop that, or set ${key}.host and ${key}.port`, {
      cause: error,
    });
  }
}
