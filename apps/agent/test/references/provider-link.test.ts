import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { defaultTlsPolicy } from '@sallyport/tls/policy';
import { silentLog } from '../../src/log.ts';
import { ProviderLink } from '../../src/references/provider-link.ts';
import { Guarded } from './guarded.ts';
import { VaultPeer } from './vault-peer.ts';

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

test('[AT-13] Vault is unreachable, not wrong, while a standby of it is behind and answers 412, or 408', async () => {
  const home = await createTempDirectory('vault');
  await using vault = await VaultPeer.start();
  vault.put('shop/db', { password: 'first' });
  const truststore = { file: join(home.path, 'ca.pem') };
  const tokenFile = join(home.path, 'token');
  await writeFile(truststore.file, vault.peer.ca, { mode: 0o600 });
  await writeFile(tokenFile, vault.mintToken(), { mode: 0o600 });
  const settings = { vault: { url: vault.peer.url, auth: 'token', tokenFile, truststore } };
  for (const status of [412, 408]) {
    await using guarded = new Guarded({ settings, env: {} });
    const read = () => guarded.read('vault://kv/shop/db#password');
    expect(await read()).toBe('first');
    vault.peer.failNext({ status });
    await expect(read()).rejects.toMatchObject({ code: 'reference.unreachable', retryable: true });
  }
  await home.remove();
});
