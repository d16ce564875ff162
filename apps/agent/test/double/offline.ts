import { randomUUID } from 'node:crypto';
import { admissionRequest, type AdmissionRequest, type OfflineBundle } from '@sallyport/contract';
import { verifyAdmissionProof } from '@sallyport/crypto/admission';
import { sealDeliveryKey } from '@sallyport/crypto/delivery-key';
import { importEncryptionPublicKey } from '@sallyport/crypto/encryption-key';
import { signOfflineBundle } from '@sallyport/crypto/offline-bundle';
import { Issuer } from '@sallyport/tls/test/issuer';
import type { DoubleGroup } from './group.ts';

const { rootPem } = await Issuer.root();
const DAY_MS = 86_400_000;

/** An agent that was admitted by its request. */
export type Admitted = Pick<AdmissionRequest, 'name' | 'encryptionKey'> & { agentId: string };

/** As the control plane does: verifies the request that was carried to it. */
export async function admit(text: string): Promise<Admitted> {
  const request = admissionRequest.parse(JSON.parse(text));
  await verifyAdmissionProof(request);
  return { ...request, agentId: randomUUID() };
}

/** A bundle of the group's revision for one agent, as the control plane exports it; `change` is made before it is signed. */
export async function exportFrom(
  group: DoubleGroup,
  { agentId, name, encryptionKey }: Admitted,
  change: Partial<OfflineBundle> = {},
  signer = group.signer,
): Promise<string> {
  const nowMs = Date.now();
  const recipient = await importEncryptionPublicKey(encryptionKey);
  const bundle: OfflineBundle = {
    format: 1,
    agentId,
    name,
    group: { id: group.id, name: group.name },
    controlPlane: 'https://nowhere.invalid:9443',
    trustAnchors: [rootPem],
    verificationKeys: { keys: [{ ...group.signer.publicJwk, kid: group.signer.thumbprint }] },
    revision: group.revision,
    epoch: group.delivery.epoch,
    issuedAt: new Date(nowMs).toISOString(),
    expiresAt: new Date(nowMs + DAY_MS).toISOString(),
    deliveryKey: await sealDeliveryKey(group.delivery, recipient),
    durable: (await group.bundle()).durable,
    ...change,
  };
  return signOfflineBundle(bundle, signer);
}
