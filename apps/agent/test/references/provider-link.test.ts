import { expect, test } from '@jest/globals';
import { defaultTlsPolicy } from '@sallyport/tls/policy';
import { silentLog } from '../../src/log.ts';
import { ProviderLink } from '../../src/references/provider-link.ts';

test('[AT-13] a link that is closed while it is opened, by a file that is not there, fails for whoever asked and for nobody else', async () => {
  const link = new ProviderLink({
    provider: 'Vault',
    key: 'references.vault',
    url: 'https://localhost',
    settings: { truststore: { type: 'auto', file: '/nowhere/ca.pem' } },
    route: async () => ({}),
    tls: defaultTlsPolicy,
    log: silentLog,
    now: () => 0,
  });
  const asked = link.request('GET', '/', {});
  // What nobody handles would end the process, and is told by the test’s own.
  link.close();
  await expect(asked).rejects.toMatchObject({ code: 'usage.invalid' });
});
