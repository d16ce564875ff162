import { expect, test } from '@jest/globals';
import { systemClock } from '../../src/clock.ts';
import { agentConfig } from '../../src/config.ts';
import { silentLog } from '../../src/log.ts';
import { Providers } from '../../src/references/providers.ts';
import { awsCredentials } from './aws-peer.ts';
import { withEnvironment } from './guarded.ts';

test('[SG-34] a provider that could not be loaded is loaded again, and does not keep the agent from stopping', async () => {
  let isMended = false;
  const commands = {
    get own() {
      if (!isMended) throw new Error('not yet');
      return { argv: ['/bin/echo', 'value'], timeoutSeconds: 5, environment: {} };
    },
  };
  const { references, proxy } = agentConfig.parse({});
  const settings = { ...references, exec: { commands } };
  const parts = { settings, proxy, env: {}, clock: systemClock, log: silentLog };
  const providers = new Providers(parts);
  const { signal } = new AbortController();
  const read = () => providers.resolve({ scheme: 'exec', command: 'own' }, signal);
  await expect(read()).rejects.toThrow('not yet');
  await providers.close();
  isMended = true;
  expect((await read()).toString()).toBe('value');
});

test('[AT-13] the part that asks AWS is loaded again once what kept it from that is mended', async () => {
  const restore = withEnvironment(awsCredentials);
  const nowhere = { region: 'eu-central-1', endpoint: 'https://localhost:1' };
  const { references, proxy } = agentConfig.parse({ references: { awsSm: nowhere } });
  let isMended = false;
  const awsSm = {
    ...nowhere,
    truststore: references.awsSm?.truststore ?? { type: 'auto' as const },
    get region() {
      if (!isMended) throw new Error('not yet');
      return nowhere.region;
    },
  };
  const settings = { ...references, awsSm };
  const parts = { settings, proxy, env: {}, clock: systemClock, log: silentLog };
  const providers = new Providers(parts);
  const { signal } = new AbortController();
  const read = () => providers.resolve({ scheme: 'aws-sm', secretId: 'db' }, signal);
  await expect(read()).rejects.toMatchObject({ code: 'reference.failed' });
  isMended = true;
  await expect(read()).rejects.toMatchObject({ code: 'reference.unreachable' });
  await providers.close();
  restore();
});
