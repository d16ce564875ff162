import { randomBytes } from 'node:crypto';
import { loadConfig } from '@sallyport/config/load';
import { compose } from '../apps/control-plane/src/compose.ts';
import { systemClock } from '../apps/control-plane/src/platform/clock.ts';
import { serverConfig } from '../apps/control-plane/src/platform/config.ts';
import { createLog } from '../apps/control-plane/src/platform/log.ts';
import { migrate } from '../apps/control-plane/src/platform/migrate.ts';
import { RootKeys } from '../apps/control-plane/src/platform/root-keys.ts';
import { OwnStores } from '../apps/control-plane/src/trust/index.ts';
import { withScratchDatabases } from './scratch-databases.ts';
import { writtenDocument } from './written-document.ts';

/** Writes docs/openapi.json as the operator API serves it; `--check` fails when it is not up to date. */
await writtenDocument(
  'openapi.json',
  await withScratchDatabases(servedDocument),
  'tools/openapi.ts',
);

async function servedDocument(databaseUrl: string): Promise<string> {
  const database = { connectionString: databaseUrl };
  await migrate(database);
  const { config } = loadConfig(serverConfig, { env: {}, programName: 'openapi' });
  const controlPlane = await compose({
    config,
    database,
    rootKeys: new RootKeys([randomBytes(32)]),
    own: await OwnStores.open(config, () => systemClock.now()),
    clock: systemClock,
    log: createLog('error', { write: (line: string) => void process.stderr.write(line) }),
  });
  try {
    const reply = await controlPlane.operatorApp.inject('/api/openapi.json');
    return `${JSON.stringify(reply.json(), null, 2)}\n`;
  } finally {
    await controlPlane.stop();
  }
}
