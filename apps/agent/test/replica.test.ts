import { expect, test } from '@jest/globals';
import { sealDeliveryKey } from '@sallyport/crypto/delivery-key';
import {
  generateEncryptionJwk,
  importEncryptionKey,
  importEncryptionPublicKey,
} from '@sallyport/crypto/encryption-key';
import { importVerificationKey } from '@sallyport/crypto/signing-key';
import { ValueCache } from '../src/cache/value-cache.ts';
import { Replica } from '../src/sync/replica.ts';
import { DoubleGroup } from './double/group.ts';

test('[SG-13] a revision that was pulled while a newer one was imported does not take its place', async () => {
  const group = await DoubleGroup.create();
  const encryptionKey = await importEncryptionKey(await generateEncryptionJwk());
  const recipient = await importEncryptionPublicKey(encryptionKey.publicJwk);
  const deliveryKey = await sealDeliveryKey(group.delivery, recipient);
  const { signer } = group;
  const verificationKeyring = new Map([
    [signer.thumbprint, importVerificationKey(signer.publicJwk)],
  ]);
  const cache = new ValueCache(group.id);
  const replica = new Replica({ group, encryptionKey, verificationKeyring }, cache);
  group.putSecret('live', 'value', 'deny');
  await replica.take({ bundle: await group.bundle(), deliveryKey });
  group.putSecret('db', 'pulled');
  const pulled = await group.bundle();
  group.putSecret('db', 'imported');
  const { durable } = await group.bundle();

  await Promise.all([
    replica.take({ bundle: pulled, deliveryKey: undefined }),
    replica.restore({ durable, deliveryKey }),
  ]);
  expect(cache.revision()).toMatchObject({ revision: group.revision, complete: false });
  // It asks for all of it.
  expect(replica.position().revision).toBe(0);
});
