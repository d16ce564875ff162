import type { AdmissionRequest } from '@sallyport/contract';
import { signAdmissionProof } from '@sallyport/crypto/admission';
import { generateEncryptionJwk, importEncryptionKey } from '@sallyport/crypto/encryption-key';
import { generateSigningJwk, importSigningKey } from '@sallyport/crypto/signing-key';
import { AgentError } from '../agent-error.ts';
import { hostFacts } from '../facts.ts';
import { privateKeys, type PrivateKeys } from '../state/identity.ts';
import type { StateDirectory, StateView } from '../state/state-directory.ts';

/** A request, and the thumbprint of its signing key for people to compare. */
export type Requested = { request: AdmissionRequest; thumbprint: string };

/**
 * Makes the request to be carried to an operator. Its keys stay here: asked again, the same ones are named, so that
 * whichever of its files is admitted is this host's.
 *
 * @throws AgentError `identity.exists` unless `force`, which makes new keys; `state.*`
 */
export async function makeRequest(
  state: StateDirectory,
  { name, force }: { name: string; force: boolean },
): Promise<Requested> {
  const isEnrolled = (await state.read('identity.json')) !== undefined;
  if (isEnrolled && !force)
    throw new AgentError('identity.exists', `an agent is enrolled in ${state.path} already`, {
      advice: 'use another --state-dir, or replace it with --force',
    });
  const keys = (force ? undefined : await requestedKeys(state)) ?? (await newKeys(state));
  const signing = importSigningKey(keys.signingKey);
  const { publicJwk: encryptionKey } = await importEncryptionKey(keys.encryptionKey);
  const proof = await signAdmissionProof(signing, { name, encryptionKey });
  const signingKey = signing.publicJwk;
  return {
    request: { format: 1, name, signingKey, encryptionKey, facts: hostFacts(), proof },
    thumbprint: signing.thumbprint,
  };
}

/** The keys of a request that was not answered yet; undefined without one, or where the file is damaged. */
export async function requestedKeys(state: StateView): Promise<PrivateKeys | undefined> {
  const bytes = await state.read('identity.requested.json');
  try {
    return bytes && privateKeys.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    return undefined;
  }
}

async function newKeys(state: StateDirectory): Promise<PrivateKeys> {
  const keys = {
    signingKey: await generateSigningJwk(),
    encryptionKey: await generateEncryptionJwk(),
  };
  await state.write('identity.requested.json', JSON.stringify(keys));
  return keys;
}
