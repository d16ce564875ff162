import type { AdmissionRequest, Agent } from '@sallyport/contract';
import { verifyAdmissionProof } from '@sallyport/crypto/admission';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroup } from '../groups/index.ts';
import { AppError } from '../platform/app-error.ts';
import { isUniqueViolation } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { keysTaken } from './agent-refusals.ts';
import { authorizedAgent, shownAgent } from './agents.service.ts';
import { proofRefusal } from './proof-refusal.ts';
import { checkEncryptionKey, registerKeys, thumbprintsOf } from './register-keys.ts';

/**
 * Makes an agent of a request that was carried here by hand: the operator who admits it vouches for where it comes
 * from, as an enrollment token does otherwise.
 *
 * @throws AppError `group.not_found`, `permission.denied`, `admission.proof_invalid`, `request.invalid` of the
 * encryption key, `admission.banned`, `agent.keys_taken`
 */
export async function admitAgent(
  platform: Platform,
  op: Operation,
  groupName: string,
  request: AdmissionRequest,
): Promise<Agent> {
  const { db, clock } = platform;
  const group = await authorizedGroup(platform, op, 'agent:admit', groupName);
  await verifyProof(request);
  checkEncryptionKey(request.encryptionKey);
  const thumbprints = await thumbprintsOf(request);
  const id = newId();
  try {
    return await db.transaction(async (tx) => {
      const now = new Date(clock.now());
      const row = { id, groupId: group.id, certificateIdentity: null, enrollmentTokenId: null };
      if (!(await registerKeys(tx, request, thumbprints, { ...row, enrolledAt: now })))
        throw banned();
      const act = {
        action: 'agent:admit',
        subject: `agent:${id}`,
        groupId: group.id,
        outcome: 'done',
        details: { keyThumbprint: thumbprints.signingKey },
      } as const;
      await appendAuditEvent(tx, op, act, clock.now());
      return shownAgent(await authorizedAgent(tx, op, 'agent:admit', id), now);
    });
  } catch (error) {
    throw isUniqueViolation(error) ? keysTaken(error) : error;
  }
}

async function verifyProof(request: AdmissionRequest): Promise<void> {
  try {
    await verifyAdmissionProof(request);
  } catch (error) {
    throw proofRefusal(
      error,
      'admission.proof_invalid',
      'The request’s proof of possession is not accepted',
    );
  }
}

/** In words for the operator; who enrols by itself is told `agent.banned`. */
function banned(): AppError {
  return new AppError(
    'admission.banned',
    'This agent’s keys, or its name in this group, are banned; lift the ban, or have the host make another request.',
  );
}
