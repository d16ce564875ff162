import { createPrivateKey } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadConfig, type Environment } from '@sallyport/config/load';
import { settingsOf, variablesOf } from '@sallyport/config/settings';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { LinkStores } from '@sallyport/tls/link-stores';
import { Issuer } from '@sallyport/tls/test/issuer';
import { agentConfig } from '../apps/agent/src/config.ts';
import { serverConfig } from '../apps/control-plane/src/platform/config.ts';

const ofLink = 'SALLYPORT_AGENT_CONTROL_PLANE';
const ofTcp = 'SALLYPORT_AGENT_LOCAL_API_TCP';

/** Where files of certificates are set, on either side, and how the variables begin. */
const blocks = [
  ['agent', agentConfig, 'listen.keystore', 'SALLYPORT_AGENT_LISTEN_KEYSTORE'],
  ['agent', agentConfig, 'listen.truststore', 'SALLYPORT_AGENT_LISTEN_TRUSTSTORE'],
  ['control plane', serverConfig, 'dialer.keystore', 'SALLYPORT_DIALER_KEYSTORE'],
  ['control plane', serverConfig, 'dialer.truststore', 'SALLYPORT_DIALER_TRUSTSTORE'],
  ['agent', agentConfig, 'controlPlane.keystore', `${ofLink}_KEYSTORE`],
  ['agent', agentConfig, 'controlPlane.truststore', `${ofLink}_TRUSTSTORE`],
  ['agent', agentConfig, 'localApi.tcp.keystore', `${ofTcp}_KEYSTORE`],
  ['agent', agentConfig, 'localApi.tcp.truststore', `${ofTcp}_TRUSTSTORE`],
  ['control plane', serverConfig, 'operatorApi.keystore', 'SALLYPORT_OPERATOR_API_KEYSTORE'],
  ['control plane', serverConfig, 'agentApi.keystore', 'SALLYPORT_AGENT_API_KEYSTORE'],
  ['control plane', serverConfig, 'agentApi.truststore', 'SALLYPORT_AGENT_API_TRUSTSTORE'],
] as const;

describe.each(blocks)('[BM-06] [BM-19] [BM-20] of the %s', (_, schema, block, variable) => {
  test(`${block} has a file, a type and a password, which may come from a file and is a secret`, () => {
    const settings = settingsOf(schema).filter(({ key }) => key.startsWith(`${block}.`));
    expect(settings.map(({ key }) => key)).toEqual(
      ['file', 'type', 'password'].map((name) => `${block}.${name}`),
    );
    expect(settings.map(variablesOf)).toEqual([
      [`${variable}_FILE`],
      [`${variable}_TYPE`],
      [`${variable}_PASSWORD`, `${variable}_PASSWORD_FILE`],
    ]);
    expect(settings.map(({ secret }) => secret)).toEqual([false, false, true]);
  });
});

test.each([
  [
    'the agent',
    `${ofLink}_KEYSTORE`,
    { SALLYPORT_AGENT_AUTHENTICATION: 'certificate' },
    (env: Environment) =>
      loadConfig(agentConfig, { env, programName: 'agent' }).config.controlPlane,
  ],
  [
    'the control plane',
    'SALLYPORT_AGENT_API_KEYSTORE',
    {},
    (env: Environment) => loadConfig(serverConfig, { env, programName: 'server' }).config.agentApi,
  ],
] as const)(
  '[BM-21] a keystore of %s that is replaced with the file of its password is taken once both fit, whichever comes first',
  async (_side, variable, env, read) => {
    const home = await createTempDirectory('passwords');
    const [file, passwordFile] = [join(home.path, 'own.pem'), join(home.path, 'password')];
    const issuer = await Issuer.root();
    const putKeystore = async (passphrase: string) => {
      const { key, chain } = await issuer.leaf({ usages: ['clientAuth', 'serverAuth'] });
      const locked = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase } as const;
      const pem = createPrivateKey(key).export(locked);
      await writeFile(file, `${pem.toString()}${chain}${issuer.rootPem}`);
      return chain + issuer.rootPem;
    };
    const putPassword = async (text: string) => writeFile(passwordFile, text, { mode: 0o600 });
    const first = await putKeystore('first');
    await putPassword('first\n');
    const block = read({
      ...env,
      [`${variable}_FILE`]: file,
      [`${variable}_PASSWORD_FILE`]: passwordFile,
    });
    const key = 'block';
    const options = { key, ...block, usage: 'clientAuth', now: () => Date.now() } as const;
    const stores = await LinkStores.open(options);
    expect(stores.keystore?.chain).toBe(first);

    const second = await putKeystore('second');
    expect(await stores.refresh()).toMatchObject({
      replaced: false,
      problems: [{ text: expect.stringContaining('block.keystore.password'), isHeld: true }],
    });
    expect(stores.keystore?.chain).toBe(first);
    await putPassword('second\n');
    expect(await stores.refresh()).toEqual({ replaced: true, problems: [] });
    expect(stores.keystore?.chain).toBe(second);

    await putPassword('third\n');
    expect(await stores.refresh()).toEqual({ replaced: false, problems: [] });
    const third = await putKeystore('third');
    expect(await stores.refresh()).toEqual({ replaced: true, problems: [] });
    expect(stores.keystore?.chain).toBe(third);
    await home.remove();
  },
);
