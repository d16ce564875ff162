import { beforeAll, describe, expect, test } from '@jest/globals';
import { newSigningKey } from '../test/signing-keys.ts';
import { signAdmissionProof, verifyAdmissionProof } from './admission.ts';
import { signCompactJws } from './compact.ts';
import { generateEncryptionJwk, importEncryptionKey } from './encryption-key.ts';
import type { SigningKey } from './signing-key.ts';

describe('[SG-13] the proof of a request that is carried by hand', () => {
  let key: SigningKey;
  let other: SigningKey;
  let request: Parameters<typeof verifyAdmissionProof>[0];
  beforeAll(async () => {
    [key, other] = [await newSigningKey(), await newSigningKey()];
    const { publicJwk: encryptionKey } = await importEncryptionKey(await generateEncryptionJwk());
    const proof = await signAdmissionProof(key, { name: 'edge-7', encryptionKey });
    request = { name: 'edge-7', signingKey: key.publicJwk, encryptionKey, proof };
  });

  test('is accepted for the name and the keys that it was made for', async () => {
    await expect(verifyAdmissionProof(request)).resolves.toBeUndefined();
  });

  test.each<[string, () => Promise<Partial<typeof request>>]>([
    ['another name', async () => ({ name: 'edge-8' })],
    ['another signing key', async () => ({ signingKey: other.publicJwk })],
    [
      'another encryption key',
      async () => ({
        encryptionKey: (await importEncryptionKey(await generateEncryptionJwk())).publicJwk,
      }),
    ],
    ['a proof by another key', async () => ({ proof: await signAdmissionProof(other, request) })],
    [
      'a proof of another type',
      async () => {
        const payload = Buffer.from(request.proof.split('.')[1] ?? '', 'base64url');
        return { proof: signCompactJws({ typ: 'sallyport-bundle' }, payload, key.privateKey) };
      },
    ],
    ['no proof', async () => ({ proof: '' })],
  ])('is refused with %s', async (_, change) => {
    await expect(verifyAdmissionProof({ ...request, ...(await change()) })).rejects.toMatchObject({
      code: 'jwt.invalid',
    });
  });
});
