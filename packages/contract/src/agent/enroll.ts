import { z } from 'zod';
import { agentName, groupName, remark, uuid } from '../names.ts';
import { certificateRequest, trustAnchors } from './certificate.ts';
import { encryptionPublicKey, signingPublicKey, verificationKeys } from './public-keys.ts';

/** What an agent says of its host; shown to operators, never trusted. */
export const agentFacts = z.strictObject({
  agentVersion: remark(64),
  platform: remark(64),
  architecture: remark(64),
  runtime: remark(64),
});

/** The audience of an enrolment's and a session's proofs. */
export const AGENT_API_AUDIENCE = 'urn:sallyport:agent-api';

/**
 * `POST /agent/v1/enroll`. `proof` is a JWT signed by `signingKey` that names the thumbprints of both
 * keys and the token's SHA-256, so that only the holder of the private key can register the public one.
 * `csr` asks for a client certificate too.
 */
export const enrollBody = z.strictObject({
  protocol: z.int(),
  token: z.string().max(256),
  name: agentName,
  signingKey: signingPublicKey,
  encryptionKey: encryptionPublicKey,
  proof: z.string().max(4096),
  facts: agentFacts,
  csr: certificateRequest.optional(),
});
export type EnrollBody = z.infer<typeof enrollBody>;

/** The group that an agent is in. */
export const joinedGroup = z.strictObject({ id: uuid, name: groupName });
export type JoinedGroup = z.infer<typeof joinedGroup>;

/** `verificationKeys` sign bundles; `certificate` is the chain that was asked for, leaf first, in PEM. */
export const enrollReply = z.strictObject({
  agentId: uuid,
  group: joinedGroup,
  verificationKeys,
  trustAnchors,
  certificate: z.string().optional(),
});
export type EnrollReply = z.infer<typeof enrollReply>;
