import {
  importIdentity,
  type Identity,
  type PrivateKeys,
} from '@sallyport/agent/src/state/identity.ts';
import { enrollReply, PROTOCOL, type EnrollBody, type EnrollReply } from '@sallyport/contract';
import { signEnrollmentProof } from '@sallyport/crypto/assertion';
import { generateEncryptionJwk, importEncryptionKey } from '@sallyport/crypto/encryption-key';
import { generateSigningJwk, importSigningKey } from '@sallyport/crypto/signing-key';
import { HttpsLink } from '@sallyport/tls/https-link';

const AT_ONCE = 8;
const FACTS = { agentVersion: '0', platform: 'bench', architecture: 'bench', runtime: 'bench' };

export type Enrolment = { url: string; ca: string; token: string; namePrefix: string };

/** Enrols agents through the agent API, each with keys of its own that never touch a disk. */
export async function enrolAgents(enrolment: Enrolment, count: number): Promise<Identity[]> {
  const link = new HttpsLink({ baseUrl: enrolment.url, ca: enrolment.ca });
  const identities: Identity[] = [];
  const lane = async (first: number) => {
    for (let index = first; index < count; index += AT_ONCE)
      identities.push(await enrolOne(link, enrolment, `${enrolment.namePrefix}-${index}`));
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => lane(index)));
  } finally {
    link.close();
  }
  return identities;
}

async function enrolOne(
  link: HttpsLink,
  { url, ca, token }: Enrolment,
  name: string,
): Promise<Identity> {
  const keys = await newKeys();
  const { agentId, group, verificationKeys } = await register(
    link,
    await enrolmentOf(keys, { name, token }),
  );
  const controlPlane = url;
  return importIdentity({
    format: 1,
    agentId,
    name,
    group,
    controlPlane,
    trustAnchors: [ca],
    verificationKeys,
    ...keys,
  });
}

/** The keys of an agent that is not enrolled yet. */
export async function newKeys(): Promise<PrivateKeys> {
  return { signingKey: await generateSigningJwk(), encryptionKey: await generateEncryptionJwk() };
}

/** What an agent asks the control plane to enrol it with. */
export async function enrolmentOf(
  keys: PrivateKeys,
  { name, token, csr }: { name: string; token: string; csr?: string },
): Promise<EnrollBody> {
  const signingKey = importSigningKey(keys.signingKey);
  const { publicJwk: encryptionKey } = await importEncryptionKey(keys.encryptionKey);
  return {
    protocol: PROTOCOL,
    token,
    name,
    signingKey: signingKey.publicJwk,
    encryptionKey,
    proof: await signEnrollmentProof(signingKey, token, encryptionKey, Date.now()),
    facts: FACTS,
    csr,
  };
}

export async function register(link: HttpsLink, json: EnrollBody): Promise<EnrollReply> {
  const { status, body } = await link.request('POST', '/agent/v1/enroll', { json });
  if (status !== 200 && status !== 201) throw new Error(`enrolment was answered ${status}`);
  return enrollReply.parse(JSON.parse(body.toString('utf8')));
}
