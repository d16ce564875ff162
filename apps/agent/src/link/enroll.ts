import { createHash } from 'node:crypto';
import { enrollReply, PROTOCOL, type EnrollReply } from '@sallyport/contract';
import { signEnrollmentProof } from '@sallyport/crypto/assertion';
import { generateEncryptionJwk, importEncryptionKey } from '@sallyport/crypto/encryption-key';
import { generateSigningJwk, importSigningKey } from '@sallyport/crypto/signing-key';
import { createCertificateRequest } from '@sallyport/tls/certificate-request';
import { areCertificates } from '@sallyport/tls/certificates-in-pem';
import { z } from 'zod';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { hostFacts } from '../facts.ts';
import {
  checked,
  keepClientCertificate,
  type ClientCertificate,
} from '../state/client-certificate.ts';
import { deriveHighWaterKey, encodeHighWater } from '../state/high-water.ts';
import { privateKeys, type PrivateKeys, type StoredIdentity } from '../state/identity.ts';
import { forgetBundles } from '../state/revocation.ts';
import type { StateDirectory } from '../state/state-directory.ts';
import { givenBesides, withGiven } from '../state/trust-anchors.ts';
import { call, errorFromReply, parseReply, type Link } from './call.ts';
import { ServerClock } from './server-clock.ts';

export type Enrollment = {
  state: StateDirectory;
  /** To `controlPlane`, which `trustAnchor` (PEM) verifies, or the CAs that this host trusts where it is absent. */
  link: Link;
  controlPlane: string;
  trustAnchor: string | undefined;
  /** Whether a client certificate is asked for. */
  certified: boolean;
  token: string;
  name: string;
  /** Replaces an identity that is already there. */
  force: boolean;
  clock: Clock;
};

/** `identity.pending.json`: the keys of an enrolment whose reply has not come yet, and what they were made for. */
const pendingEnrollment = z.strictObject({
  controlPlane: z.string(),
  /** Of the whole token, whose 256 random bits no hash gives away. */
  tokenSha256: z.string().optional(),
  ...privateKeys.shape,
});

/** With CAs that are certificates: of any others no link could be made, and none be replaced. */
const usableReply = enrollReply.refine(({ trustAnchors }) => areCertificates(trustAnchors));

/**
 * Registers a new agent: makes its keys here, proves that it holds them, and keeps the identity as one
 * file. The keys are on disk before the request, so that a second attempt after a lost reply is the same
 * agent to the control plane.
 *
 * @throws AgentError `identity.exists`, `enroll.reply_lost`, and the control plane's refusals
 */
export async function enroll(enrollment: Enrollment): Promise<StoredIdentity> {
  const { state, controlPlane, name, trustAnchor } = enrollment;
  await assertFree(enrollment);
  const keys = await pendingKeys(enrollment);
  const request = enrollment.certified ? await createCertificateRequest() : undefined;
  const reply = await register(enrollment, keys, request?.csr);
  const { agentId, group, verificationKeys } = reply;
  const givenAnchor =
    trustAnchor === undefined ? undefined : givenBesides(trustAnchor, reply.trustAnchors);
  // As sessions will name them: a CA that is here twice, in two writings, would look like a change there.
  const trustAnchors =
    trustAnchor === undefined ? [] : withGiven(reply.trustAnchors, { givenAnchor });
  const identity: StoredIdentity = {
    format: 1,
    agentId,
    name,
    group,
    controlPlane,
    trustAnchors,
    verificationKeys,
    ...(givenAnchor === undefined ? {} : { givenAnchor }),
    ...keys,
  };
  const certificate =
    request && errorFromReply(() => checked(reply.certificate ?? '', request.key, identity));
  await keepIdentity(state, identity, certificate);
  return identity;
}

async function assertFree({ state, force }: Enrollment): Promise<void> {
  if (force || (await state.read('identity.json')) === undefined) return;
  throw new AgentError('identity.exists', `an agent is enrolled in ${state.path} already`, {
    advice: 'use another --state-dir, or replace it with --force',
  });
}

/** With `force` the keys of another token are replaced too; of this one a lost reply is made up for. */
async function pendingKeys(enrollment: Enrollment): Promise<PrivateKeys> {
  const { state, controlPlane, token, force } = enrollment;
  const tokenSha256 = createHash('sha256').update(token).digest('base64url');
  const bytes = await state.read('identity.pending.json');
  const pending = bytes && parsePending(bytes);
  const isForThis = pending?.tokenSha256 === tokenSha256 || !force;
  if (pending?.controlPlane === controlPlane && isForThis) return onlyKeys(pending);
  const keys = {
    signingKey: await generateSigningJwk(),
    encryptionKey: await generateEncryptionJwk(),
  };
  await state.write(
    'identity.pending.json',
    JSON.stringify({ controlPlane, tokenSha256, ...keys }),
  );
  return keys;
}

/** Undefined when it is damaged: a crash came while it was written, before anything was sent. */
function parsePending(bytes: Buffer): z.infer<typeof pendingEnrollment> | undefined {
  try {
    return pendingEnrollment.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    return undefined;
  }
}

function onlyKeys({ signingKey, encryptionKey }: PrivateKeys): PrivateKeys {
  return { signingKey, encryptionKey };
}

async function register(
  enrollment: Enrollment,
  keys: PrivateKeys,
  csr: string | undefined,
): Promise<EnrollReply> {
  const serverClock = new ServerClock(enrollment.clock);
  try {
    return await requestOnce(enrollment, keys, { csr, serverClock });
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    // The refusal told the control plane's time, and no use of the token was spent on it.
    if (error.code === 'clock.skewed') return requestOnce(enrollment, keys, { csr, serverClock });
    throw mayHaveRegistered(error) ? replyLost(error, enrollment.name) : error;
  }
}

async function requestOnce(
  { link, token, name }: Enrollment,
  keys: PrivateKeys,
  { csr, serverClock }: { csr: string | undefined; serverClock: ServerClock },
): Promise<EnrollReply> {
  const signingKey = importSigningKey(keys.signingKey);
  const { publicJwk: encryptionKey } = await importEncryptionKey(keys.encryptionKey);
  const proof = await signEnrollmentProof(signingKey, token, encryptionKey, serverClock.now());
  const json = {
    protocol: PROTOCOL,
    token,
    name,
    signingKey: signingKey.publicJwk,
    encryptionKey,
    proof,
    facts: hostFacts(),
    csr,
  };
  const { body } = await call(link, serverClock, {
    method: 'POST',
    path: '/agent/v1/enroll',
    json,
  });
  return parseReply(usableReply, body);
}

/**
 * Makes a directory that of an agent that has just joined. The identity comes last: a crash before it leaves a
 * directory without one, never with half of another.
 */
export async function keepIdentity(
  state: StateDirectory,
  identity: StoredIdentity,
  certificate: ClientCertificate | undefined,
): Promise<void> {
  const key = deriveHighWaterKey(Buffer.from(identity.signingKey.d, 'base64url'), identity.agentId);
  await forgetBundles(state);
  await state.write('high-water.json', encodeHighWater({ revision: 0, contactAtMs: 0 }, key));
  await state.remove('revoked.json');
  await state.remove('trust.json');
  if (certificate === undefined) await state.destroy('certificate.json');
  else await keepClientCertificate(state, certificate);
  await state.write('identity.json', JSON.stringify(identity));
  await state.destroy('identity.pending.json');
  await state.destroy('identity.requested.json');
}

function mayHaveRegistered({ code }: AgentError): boolean {
  return ['link.reset', 'link.timeout', 'link.protocol', 'reply.unexpected'].includes(code);
}

function replyLost(cause: AgentError, name: string): AgentError {
  return new AgentError(
    'enroll.reply_lost',
    `no usable reply came (${cause.code}); the control plane may have registered this agent all the same`,
    {
      advice: `run the same command again; if the token is then used up or the keys are taken, revoke the agent “${name}” there and enrol with --force and a new token`,
      cause,
    },
  );
}
