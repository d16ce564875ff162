import { describe, expect, test } from '@jest/globals';
import { generateEncryptionJwk, importEncryptionKey } from './encryption-key.ts';
import { generateSigningJwk, importSigningKey } from './signing-key.ts';

describe('keys of an agent', () => {
  test('[AX-21] what is registered of a signing key is its public half alone', async () => {
    const jwk = await generateSigningJwk();
    const { publicJwk } = importSigningKey(jwk);
    expect(publicJwk).toEqual({ kty: 'OKP', crv: 'Ed25519', x: jwk.x });
    expect(JSON.stringify(publicJwk)).not.toContain(jwk.d);
  });

  test('[AX-21] what is registered of an encryption key is its public half alone', async () => {
    const jwk = await generateEncryptionJwk();
    const { publicJwk } = await importEncryptionKey(jwk);
    expect(publicJwk).toEqual({ kty: 'OKP', crv: 'X25519', x: jwk.x });
    expect(JSON.stringify(publicJwk)).not.toContain(jwk.d);
  });

  test('the thumbprint is that of RFC 8037, appendix A.3', () => {
    const { thumbprint } = importSigningKey({
      kty: 'OKP',
      crv: 'Ed25519',
      d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
      x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
    });
    expect(thumbprint).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  });

  test('a key that is cut short is refused', async () => {
    const jwk = await generateSigningJwk();
    expect(() => importSigningKey({ ...jwk, x: jwk.x.slice(1) })).toThrow('32 bytes in base64url');
    expect(() => importSigningKey({ ...jwk, d: jwk.d.slice(1) })).toThrow('Invalid JWK');
  });
});
