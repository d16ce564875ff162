import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { keyThumbprint } from '@sallyport/tls/key-thumbprint';
import { Issuer, type LeafOptions } from '@sallyport/tls/test/issuer';
import { organisationIdentity } from './organisation-identity.ts';

async function identityOf(kind: 'uri' | 'dns' | 'ip' | 'key', options: LeafOptions) {
  const root = await Issuer.root();
  const { chain } = await root.leaf({ usages: ['clientAuth'], ...options });
  const certificate = new X509Certificate(chain);
  const thumbprint = keyThumbprint(certificate.publicKey);
  const shown = {
    digest: '',
    keyThumbprint: thumbprint,
    uri: undefined,
    notAfterMs: 0,
    certificate,
    chain: [certificate],
  };
  return { identity: () => organisationIdentity(shown, [root.pem], kind), thumbprint };
}

describe('[BM-14] the identity of a certificate', () => {
  test.each([
    ['uri', { type: 'url', value: 'spiffe://corp/db-7' }, 'uri:spiffe://corp/db-7'],
    ['dns', { type: 'dns', value: 'DB-7.corp' }, 'dns:db-7.corp'],
    ['ip', { type: 'ip', value: '10.0.0.1' }, 'ip:10.0.0.1'],
    ['ip', { type: 'ip', value: '2001:db8::1' }, 'ip:2001:db8::1'],
  ] as const)('by its %s %j', async (kind, name, expected) => {
    expect((await identityOf(kind, { names: [name] })).identity()).toBe(expected);
  });

  test('by its key, whatever names it has', async () => {
    const { identity, thumbprint } = await identityOf('key', { names: [] });
    expect(identity()).toBe(`key:${thumbprint}`);
  });

  test.each([
    ['dns', [{ type: 'dns', value: '*.corp' }]],
    ['dns', [{ type: 'ip', value: '10.0.0.1' }]],
    ['ip', []],
    [
      'dns',
      [
        { type: 'dns', value: 'a.corp' },
        { type: 'dns', value: 'b.corp' },
      ],
    ],
  ] as const)('is not told by its %s from %j', async (kind, names) => {
    const { identity } = await identityOf(kind, { names: [...names] });
    expect(identity).toThrow(expect.objectContaining({ code: 'client_certificate.no_identity' }));
  });
});
