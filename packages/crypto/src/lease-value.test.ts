import { beforeAll, describe, expect, test } from '@jest/globals';
import { generateDeliveryKey, sealDeliveryKey } from './delivery-key.ts';
import {
  generateEncryptionJwk,
  importEncryptionKey,
  importEncryptionPublicKey,
  type EncryptionKey,
} from './encryption-key.ts';
import { sealForAgent } from './for-agent.ts';
import { openLeaseValue, sealLeaseValue } from './lease-value.ts';

const lease = '01890a5d-ac96-774b-bcce-b302099a8057';
const unreadable = { name: 'CryptoError', code: 'lease.unreadable' };

describe('the value of a lease', () => {
  let agent: EncryptionKey;
  let agentPublic: CryptoKey;
  beforeAll(async () => {
    agent = await importEncryptionKey(await generateEncryptionJwk());
    agentPublic = await importEncryptionPublicKey(agent.publicJwk);
  });

  test('opens for the agent that holds the lease', async () => {
    const sealed = await sealLeaseValue(lease, Buffer.from('value'), agentPublic);
    expect(sealed).not.toContain(Buffer.from('value').toString('base64url'));
    const opened = await openLeaseValue(sealed, agent.privateKey, lease);
    expect(Buffer.from(opened).toString()).toBe('value');
  });

  test('is refused by another agent, and where a character of it was changed', async () => {
    const other = await importEncryptionKey(await generateEncryptionJwk());
    const sealed = await sealLeaseValue(lease, Buffer.from('value'), agentPublic);
    await expect(openLeaseValue(sealed, other.privateKey, lease)).rejects.toMatchObject(unreadable);
    const changed = `${sealed.slice(0, -4)}${sealed.at(-4) === 'A' ? 'B' : 'A'}${sealed.slice(-3)}`;
    await expect(openLeaseValue(changed, agent.privateKey, lease)).rejects.toMatchObject(
      unreadable,
    );
  });

  test('is refused as that of another lease, and so is what is no lease', async () => {
    const of = lease.replace('01', '02');
    const sealed = await sealLeaseValue(of, Buffer.from('value'), agentPublic);
    const key = await sealDeliveryKey(generateDeliveryKey(lease, 1), agentPublic);
    const alike = await sealForAgent(Buffer.from('value'), agentPublic, { typ: 'other', lease });
    for (const foreign of [sealed, key, alike])
      await expect(openLeaseValue(foreign, agent.privateKey, lease)).rejects.toMatchObject(
        unreadable,
      );
  });
});
