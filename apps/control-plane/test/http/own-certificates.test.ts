import { X509Certificate } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ConfigError, loadConfig } from '@sallyport/config/load';
import { Secret } from '@sallyport/config/secret';
import { caCertificatesReply, enrollReply } from '@sallyport/contract';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { HttpsLink } from '@sallyport/tls/https-link';
import { fetchPinnedCa } from '@sallyport/tls/pin';
import { Issuer, type LeafOptions } from '@sallyport/tls/test/issuer';
import { serverConfig } from '../../src/platform/config.ts';
import { AgentClient } from '../agent-client.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { field, OperatorClient } from '../operator-client.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

const names = [
  { type: 'dns', value: 'localhost' },
  { type: 'ip', value: '127.0.0.1' },
] as const;

let home: TempDirectory;
let root: Issuer;
let issuing: Issuer;
let keystore: string;
let truststore: string;
let controlPlane: TestControlPlane;
beforeAll(async () => {
  home = await createTempDirectory('own-certificates');
  root = await Issuer.root('CN=Corp root');
  issuing = await root.intermediate('CN=Corp servers');
  keystore = join(home.path, 'server.pem');
  truststore = join(home.path, 'clients.pem');
  await put(keystore, await served());
  await put(truststore, root.pem);
  controlPlane = await startControlPlane({ startMs: Date.now(), settings: settings() });
  await controlPlane.agentApp.listen({ host: 'localhost', port: 0 });
  await controlPlane.operatorApp.listen({ host: 'localhost', port: 0 });
});
afterAll(async () => {
  await controlPlane.end();
  await home.remove();
});

/** A keystore in PEM: key, leaf, and its chain up to the root. */
async function served(options: LeafOptions = {}, by = issuing): Promise<string> {
  const usages = options.usages ?? ['serverAuth'];
  const { chain, key } = await by.leaf({ names: [...names], usages, ...options });
  return key + chain + by.rootPem;
}

async function put(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

function settings(file = keystore, password?: string) {
  const { config } = defaults();
  const own = {
    file,
    type: 'auto' as const,
    ...(password === undefined ? {} : { password: new Secret(password) }),
  };
  return {
    ...WITHOUT_WORKER,
    operatorApi: { ...config.operatorApi, keystore: own },
    agentApi: {
      ...config.agentApi,
      keystore: own,
      truststore: { file: truststore, type: 'auto' as const },
    },
  };
}

function defaults() {
  return loadConfig(serverConfig, { env: {}, programName: 'test' });
}

const urlOf = (app: 'agentApp' | 'operatorApp') =>
  `https://localhost:${new URL(controlPlane[app].listeningOrigin).port}`;

/** The fingerprint of what a listener shows on a new connection. */
async function shown(app: 'agentApp' | 'operatorApp' = 'agentApp'): Promise<string> {
  const link = new HttpsLink({ baseUrl: urlOf(app), ca: root.pem });
  try {
    await link.request('GET', '/');
    return link.tlsParameters()?.peerFingerprint ?? '';
  } finally {
    link.close();
  }
}

const fingerprintIn = (pem: string) => `SHA256:${new X509Certificate(pem).fingerprint256}`;

describe('[BM-19] a listener with a keystore of the organisation', () => {
  test('shows that certificate with its intermediates, on both listeners', async () => {
    const own = fingerprintIn(await readFile(keystore, 'utf8'));
    expect(await shown('agentApp')).toBe(own);
    expect(await shown('operatorApp')).toBe(own);
  });

  test('[SG-09] tells a fingerprint that can be pinned, and names the CA to agents beside its own', async () => {
    const { caFingerprint, operatorFingerprint, agentApp } = controlPlane;
    expect(caFingerprint).toBe(fingerprintIn(root.pem));
    expect(operatorFingerprint).toBe(caFingerprint);
    const pinned = await fetchPinnedCa(urlOf('agentApp'), caFingerprint);
    expect(fingerprintIn(pinned)).toBe(caFingerprint);
    const { trustAnchors } = caCertificatesReply.parse(
      (await agentApp.inject('/agent/v1/cacerts')).json(),
    );
    expect(trustAnchors.map(fingerprintIn)).toContain(caFingerprint);
    expect(trustAnchors).toHaveLength(2);
    const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    await owner.call('POST', '/groups', { name: 'plant-7' });
    const token = await owner.call('POST', '/groups/plant-7/enrollment-tokens', {});
    const client = await AgentClient.create(agentApp, controlPlane.clock);
    const { body } = await client.enroll(field(token.body, 'token'));
    expect(enrollReply.parse(body).trustAnchors).toEqual(trustAnchors);
    expect((await owner.call('GET', '/system/info')).body).toMatchObject({ caFingerprint });
  });

  test('[BM-21] follows its file within seconds, and goes on with what it had while the file is no good', async () => {
    const before = await shown();
    await put(keystore, 'no keystore');
    await until(async () => (await refusedFiles()) === 2);
    expect(await shown()).toBe(before);
    const next = await served();
    await put(keystore, next);
    await until(async () => (await shown()) !== before);
    expect(await shown()).toBe(fingerprintIn(next));
    expect(await shown('operatorApp')).toBe(fingerprintIn(next));
    expect(await refusedFiles()).toBe(0);
    const told = controlPlane.logged().match(/"reason":"(?:agent|operator)Api\.keystore\.file: /g);
    expect(told).toHaveLength(2);
  }, 60_000);

  test('tells when its certificate ends, and warns before it does, once for each', async () => {
    const told = () => controlPlane.logged().match(/"msg":"the certificate of a keystore [^"]+"/g);
    const ends = (key: string) =>
      measured('sallyport_keystore_expiry_timestamp_seconds', `{setting="${key}.keystore"}`);
    expect(told()).toBeNull();
    const nowMs = controlPlane.clock.now();
    const notAfter = new Date(Math.floor(nowMs / 1000) * 1000 + 6 * DAY_MS);
    await put(keystore, await served({ notAfter }));
    for (const key of ['agentApi', 'operatorApi'])
      await until(async () => (await ends(key)) === notAfter.getTime() / 1000);
    expect(await ends('dialer')).toBeNaN();
    await until(async () => told()?.length === 2);
    expect(told()).toEqual(
      Array(2).fill('"msg":"the certificate of a keystore ends soon; put a new one in its place"'),
    );
    expect(controlPlane.logged()).toContain(
      `"key":"agentApi.keystore","expiresAt":"${notAfter.toISOString()}"`,
    );
    controlPlane.clock.advance(6 * DAY_MS);
    const ended = '"msg":"the certificate of a keystore has ended; put a new one in its place"';
    await until(async () => told()?.length === 4);
    expect(told()?.slice(2)).toEqual([ended, ended]);
  }, 60_000);
});

test('[BM-19] one that is for no host that clients use is told of at the start, with its names, once it is taken', async () => {
  const file = join(home.path, 'elsewhere.pem');
  await put(file, await served({ names: [{ type: 'dns', value: 'elsewhere.example' }] }));
  const own = settings(file);
  const publicUrl = 'https://elsewhere.example:9443';
  for (const [agentApi, keys] of [
    [own.agentApi, ['operatorApi', 'agentApi']],
    [{ ...own.agentApi, publicUrl }, []],
  ] as const) {
    const running = await startControlPlane({ settings: { ...own, agentApi } });
    await running.end();
    expect(running.logged().match(/"key":[^}]*for none of publicHosts/g) ?? []).toEqual(
      keys.map((key) =>
        expect.stringContaining(`"key":"${key}.keystore","names":["elsewhere.example"]`),
      ),
    );
  }
  expect(controlPlane.logged()).not.toContain('publicHosts');
});

async function refusedFiles(): Promise<number> {
  return measured('sallyport_certificate_files_refused');
}

async function measured(name: string, labels = ''): Promise<number> {
  const { registry } = controlPlane.platform.metrics;
  const lines = (await registry.getSingleMetricAsString(name)).split('\n');
  return Number(lines.find((line) => line.startsWith(`${name}${labels} `))?.split(' ')[1]);
}

describe('[BM-15] a keystore that cannot be used stops the start, by the key of its setting', () => {
  async function refusal(file: string, password?: string): Promise<ConfigError> {
    const started = startControlPlane({ settings: settings(file, password) });
    const outcome: unknown = await started.then(
      (running) => running.end(),
      (error: unknown) => error,
    );
    if (outcome instanceof ConfigError) return outcome;
    throw new Error('it was not refused', { cause: outcome });
  }
  const fixtures = join(import.meta.dirname, '../../../../packages/tls/test/keystores');

  test.each([
    ['missing', () => join(home.path, 'none.pem'), undefined, 'file: The keystore cannot be read'],
    ['without password', () => join(fixtures, 'keystore.jks'), undefined, 'password: '],
    ['with a wrong password', () => join(fixtures, 'openssl.p12'), 'hunter2', 'password: '],
    ['legacy', () => join(fixtures, 'openssl-legacy.p12'), 'correct horse', 'file: '],
  ])('%s', async (...[, file, password, text]) => {
    const { problems } = await refusal(file(), password);
    expect(problems).toHaveLength(2);
    for (const [index, key] of ['operatorApi', 'agentApi'].entries())
      expect(problems[index]).toContain(`${key}.keystore.${text}`);
    expect(problems.join()).not.toContain('hunter2');
  });

  test.each(['keystore.jks', 'openssl.p12', 'keystore.pem'])('and %s is taken', async (name) => {
    const running = await startControlPlane({
      settings: settings(join(fixtures, name), 'correct horse'),
    });
    expect(running.caFingerprint).not.toBe('');
    await running.end();
  });

  test('for clients alone', async () => {
    const file = join(home.path, 'client.pem');
    await put(file, await served({ usages: ['clientAuth'] }));
    const { problems } = await refusal(file);
    expect(problems[0]).toContain('operatorApi.keystore.file: ');
    expect(problems[0]).toContain('serverAuth');
  });
});

/** Asks until it is so, for as long as the files are looked at three times. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + 15_000;
  while (!(await isSo())) {
    if (performance.now() > endsAt) throw new Error('it did not come about');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
