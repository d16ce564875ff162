import { expect, test } from '@jest/globals';
import { readServerIdentity } from '../src/server-identity.ts';
import { Issuer } from './issuer.ts';

test('[BM-09] a chain that lacks an issuer is refused with its name, and of whom it is that', async () => {
  const root = await Issuer.root('CN=Root');
  const middle = await root.intermediate('CN=Middle');
  const { chain, parts, key } = await (await middle.intermediate('CN=Lower')).leaf();
  const [leaf = '', lower = ''] = parts;
  for (const [given, issuer, of] of [
    [leaf, 'CN=Lower', 'CN=server'],
    [leaf + lower + root.pem, 'CN=Middle', 'CN=Lower'],
  ] as const)
    await expect(readServerIdentity({ chain: given, key }, Date.now())).rejects.toThrow(
      `An intermediate certificate is missing, the issuer (${issuer}) of one that is there (${of}): `,
    );
  await expect(readServerIdentity({ chain, key }, Date.now())).resolves.toHaveProperty('chain');
});
