import { expect, test } from '@jest/globals';
import { systemClock } from '../../src/clock.ts';
import { agentConfig } from '../../src/config.ts';
import { silentLog } from '../../src/log.ts';
import { Providers } from '../../src/references/providers.ts';

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
