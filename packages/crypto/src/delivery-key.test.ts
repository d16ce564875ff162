import { beforeAll, describe, expect, test } from '@jest/globals';
import { CompactEncrypt } from 'jose';
import { generateDeliveryKey, openDeliveryKey, sealDeliveryKey } from './delivery-key.ts';
import {
  checkEncryptionPublicKey,
  generateEncryptionJwk,
  importEncryptionKey,
  importEncryptionPublicKey,
  type EncryptionKey,
} from './encryption-key.ts';

const group = '01890a5d-ac96-774b-bcce-b302099a8057';
const unreadable = { name: 'CryptoError', code: 'delivery_key.unreadable' };

describe('a delivery key', () => {
  let agent: EncryptionKey;
  let agentPublic: CryptoKey;
  const delivery = generateDeliveryKey(group, 3);

  beforeAll(async () => {
    agent = await importEncryptionKey(await generateEncryptionJwk());
    agentPublic = await importEncryptionPublicKey(agent.publicJwk);
  });

  async function sealAs(
    header: Record<string, unknown>,
    key: Uint8Array = delivery.key,
  ): Promise<string> {
    const usual = {
      alg: 'ECDH-ES+A256KW',
      enc: 'A256GCM',
      typ: 'sallyport-delivery-key',
      group,
      epoch: 3,
    };
    return new CompactEncrypt(key).setProtectedHeader({ ...usual, ...header }).encrypt(agentPublic);
  }

  test('opens for the agent it was wrapped for', async () => {
    const opened = await openDeliveryKey(
      await sealDeliveryKey(delivery, agentPublic),
      agent.privateKey,
      group,
    );
    expect({ ...opened, key: Buffer.from(opened.key) }).toEqual({
      ...delivery,
      key: Buffer.from(delivery.key),
    });
  });

  test('is refused by another agent', async () => {
    const other = await importEncryptionKey(await generateEncryptionJwk());
    const jwe = await sealDeliveryKey(delivery, agentPublic);
    await expect(openDeliveryKey(jwe, other.privateKey, group)).rejects.toMatchObject(unreadable);
  });

  test('[A7-09] is refused when it is another group’s', async () => {
    const jwe = await sealDeliveryKey(
      generateDeliveryKey('01890a5d-ac96-774b-bcce-b302099a8058', 3),
      agentPublic,
    );
    await expect(openDeliveryKey(jwe, agent.privateKey, group)).rejects.toMatchObject(unreadable);
  });

  test('is refused when cut, or when a segment is another one’s', async () => {
    const jwe = await sealDeliveryKey(delivery, agentPublic);
    const other = (await sealDeliveryKey(delivery, agentPublic)).split('.');
    const mixed = jwe
      .split('.')
      .map((_, at, segments) => segments.with(at, other[at] ?? '').join('.'));
    for (const text of ['', jwe.slice(0, -1), jwe.slice(1), ...mixed]) {
      await expect(openDeliveryKey(text, agent.privateKey, group)).rejects.toMatchObject(
        unreadable,
      );
    }
  });

  test.each([
    ['another type', { typ: 'JWT' }],
    ['epoch 0', { epoch: 0 }],
    ['an epoch that is no number', { epoch: '3' }],
    ['a broken epoch', { epoch: 1.5 }],
    ['key agreement without key wrapping', { alg: 'ECDH-ES' }],
    ['another cipher', { enc: 'A128CBC-HS256' }],
  ])('is refused with %s', async (_, header) => {
    await expect(
      openDeliveryKey(await sealAs(header), agent.privateKey, group),
    ).rejects.toMatchObject(unreadable);
  });

  test('is accepted as the test before it makes it, but for what that changes', async () => {
    for (const header of [{ epoch: 3 }, { epoch: 1 }])
      await expect(
        openDeliveryKey(await sealAs(header), agent.privateKey, group),
      ).resolves.toMatchObject(header);
  });

  test('is refused when it is not of 32 bytes', async () => {
    const jwe = await sealAs({}, Buffer.alloc(16));
    await expect(openDeliveryKey(jwe, agent.privateKey, group)).rejects.toMatchObject(unreadable);
  });

  test('can be sealed to no point of small order, on which everybody would agree', () => {
    expect(() => checkEncryptionPublicKey(agent.publicJwk)).not.toThrow();
    const x = Buffer.alloc(32).toString('base64url');
    expect(() => checkEncryptionPublicKey({ ...agent.publicJwk, x })).toThrow(
      expect.objectContaining({ code: 'encryption_key.unusable' }),
    );
  });

  test('no two are the same', () => {
    expect(generateDeliveryKey(group, 1).key).not.toEqual(generateDeliveryKey(group, 1).key);
  });
});
