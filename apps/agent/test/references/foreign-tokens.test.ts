import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { Guarded } from './guarded.ts';
import { VaultPeer } from './vault-peer.ts';

test('[F-23] a token of Vault that no header can carry is refused, and not kept', async () => {
  await using vault = await VaultPeer.start();
  vault.put('shop/db', { password: 'first' });
  const home = await createTempDirectory('vault');
  const [file, secretIdFile] = [join(home.path, 'ca.pem'), join(home.path, 'secret-id')];
  await writeFile(file, vault.peer.ca);
  await writeFile(secretIdFile, 'the-id', { mode: 0o600 });
  const { url } = vault.peer;
  const login = { url, truststore: { file }, auth: 'approle', roleId: 'shop', secretIdFile };
  await using agent = new Guarded({ settings: { vault: login }, env: {} });
  const mint = vault.mintToken.bind(vault);
  vault.mintToken = () => 'canary\n';
  const error = await agent.read('vault://kv/shop/db#password').catch((fault: unknown) => fault);
  expect(error).toMatchObject({ code: 'reference.failed' });
  expect(JSON.stringify([error, String(error)])).not.toContain('canary');
  vault.mintToken = mint;
  expect(await agent.read('vault://kv/shop/db#password')).toBe('first');
  await home.remove();
});
