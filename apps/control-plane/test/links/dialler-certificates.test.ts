import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ConfigError, loadConfig } from '@sallyport/config/load';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { Issuer, type LeafOptions } from '@sallyport/tls/test/issuer';
import { serverConfig, type ServerConfig } from '../../src/platform/config.ts';
import { startControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';
import { ListeningAgent, serving, untilLink } from './listening.ts';

let folder: TempDirectory;
let organisation: Issuer;
beforeEach(async () => {
  folder = await createTempDirectory('dialler');
  organisation = await Issuer.root('CN=Organisation');
});
afterEach(() => folder.remove());

/** The settings as the environment gives them. */
function dialer(env: Record<string, string>): Pick<ServerConfig, 'dialer'> {
  const { config } = loadConfig(serverConfig, { env, programName: 'test' });
  return { dialer: config.dialer };
}

async function leaf(
  name: NonNullable<LeafOptions['names']>[number],
  usages: NonNullable<LeafOptions['usages']>,
  issuer = organisation,
): Promise<{ cert: string; key: string }> {
  const { chain, key } = await issuer.leaf({ names: [name], usages });
  return { cert: chain + issuer.rootPem, key };
}

async function file(name: string, content: string): Promise<string> {
  const path = join(folder.path, name);
  await writeFile(path, content, { mode: 0o600 });
  return path;
}

const controlPlaneName = { type: 'dns', value: 'control-plane.example' } as const;
const local = { type: 'ip', value: '127.0.0.1' } as const;

test('[BM-06] files that are not there are named by their keys, all at once, before anything starts', async () => {
  const settings = dialer({
    SALLYPORT_DIALER_KEYSTORE_FILE: '/no/keystore.p12',
    SALLYPORT_DIALER_TRUSTSTORE_FILE: '/no/truststore.p12',
  });
  const refused = startControlPlane({ settings });
  await expect(refused).rejects.toBeInstanceOf(ConfigError);
  await expect(refused).rejects.toThrow(
    /dialer\.keystore\.file: The keystore cannot be read[^]*dialer\.truststore\.file: The truststore cannot be read/,
  );
});

test('[BM-07] a keystore whose certificate is for servers alone is refused by its key', async () => {
  const { cert, key } = await leaf(controlPlaneName, ['serverAuth']);
  const settings = dialer({ SALLYPORT_DIALER_KEYSTORE_FILE: await file('k.pem', key + cert) });
  await expect(startControlPlane({ settings })).rejects.toThrow(
    /dialer\.keystore\.file: [^\n]*clientAuth/,
  );
});

test('[BM-01] [BM-12] [BM-21] [AX-07] the organisation’s CA serves both sides without a pin, within dialer.tls, and new files are taken while it runs', async () => {
  const both: NonNullable<LeafOptions['usages']> = ['serverAuth', 'clientAuth'];
  const own = await leaf(controlPlaneName, both);
  const keystore = await file('keystore.pem', own.key + own.cert);
  const truststore = await file('truststore.pem', organisation.rootPem);
  const controlPlane = await serving(
    await startControlPlane({
      startMs: Date.now(),
      settings: dialer({
        SALLYPORT_DIALER_KEYSTORE_FILE: keystore,
        SALLYPORT_DIALER_TRUSTSTORE_FILE: truststore,
        SALLYPORT_DIALER_TLS_CIPHER_SUITES: 'TLS_AES_128_GCM_SHA256',
      }),
    }),
  );
  try {
    const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    const agent = await agentIn(owner, 'plant-7', controlPlane);
    const agentOf = async (issuer: Issuer) => {
      const identity = { ...(await leaf(local, both, issuer)), ca: issuer.rootPem };
      const expected = { controlPlaneName: 'control-plane.example' };
      return ListeningAgent.start('', { identity, ...expected });
    };
    await using listening = await agentOf(organisation);
    const add = (name: string, address: string) =>
      owner.call('POST', '/groups/plant-7/links', { name, address });
    await add('one', listening.address);
    expect(await listening.pull(agent)).toBe(200);
    const { seen } = await untilLink(owner, 'one', (shown) => shown.seen !== null);
    expect(seen).toMatchObject({ cipher: 'TLS_AES_128_GCM_SHA256' });

    const other = await Issuer.root('CN=Other');
    await using foreign = await agentOf(other);
    await add('two', foreign.address);
    await untilLink(owner, 'two', ({ lastError }) => lastError?.code === 'tls.unknown_ca');
    const renewed = await leaf(controlPlaneName, both, other);
    await file('keystore.pem', renewed.key + renewed.cert);
    await file('truststore.pem', organisation.rootPem + other.rootPem);
    expect(await foreign.pull(agent)).toBe(200);
    await file('truststore.pem', 'nothing');
    await untilLogged(controlPlane.logged, 'dialer.truststore.file: ');
    const { registry } = controlPlane.platform.metrics;
    expect(await registry.getSingleMetricAsString('sallyport_certificate_files_refused')).toMatch(
      / 1$/m,
    );
    expect(await foreign.pull(agent)).toBe(200);
  } finally {
    await controlPlane.end();
  }
}, 60_000);

async function untilLogged(logged: () => string, text: string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!logged().includes(text)) {
    if (performance.now() > deadline) throw new Error(`it was not logged: ${text}`);
    await pause(20);
  }
}
