import {
  enrollReply,
  encryptionPublicKey,
  signingPublicKey,
  verificationKeys,
  agentName,
  uuid,
} from '@sallyport/contract';
import type { VerificationKeyring } from '@sallyport/crypto/bundle';
import { importEncryptionKey, type EncryptionKey } from '@sallyport/crypto/encryption-key';
import {
  importSigningKey,
  importVerificationKey,
  type SigningKey,
} from '@sallyport/crypto/signing-key';
import { areCertificates } from '@sallyport/tls/certificates-in-pem';
import { z } from 'zod';
import { AgentError } from '../agent-error.ts';
import { deriveEventsKey } from '../events/events-key.ts';
import { deriveHighWaterKey } from './high-water.ts';
import type { StateDirectory, StateView } from './state-directory.ts';
import { readTrustAnchors } from './trust-anchors.ts';

const privatePoint = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/** An agent's two private keys, as JWKs. */
export const privateKeys = z.strictObject({
  signingKey: signingPublicKey.extend({ d: privatePoint }),
  encryptionKey: encryptionPublicKey.extend({ d: privatePoint }),
});
export type PrivateKeys = z.infer<typeof privateKeys>;

/** `identity.json`: one file, so that keys and what they were registered as can never be of two enrolments. */
export const storedIdentity = z.strictObject({
  format: z.literal(1),
  agentId: uuid,
  name: agentName,
  group: enrollReply.shape.group,
  controlPlane: z.url({ protocol: /^https$/ }),
  /** None: any CA that this host trusts, which is how the control plane was known when it was enrolled with. */
  trustAnchors: z.array(z.string()),
  /** The one of them that a person gave, which the control plane takes away from nobody. */
  givenAnchor: z.string().optional(),
  verificationKeys,
  ...privateKeys.shape,
});
export type StoredIdentity = z.infer<typeof storedIdentity>;

/** Who this agent is, with its keys ready for use. */
export type Identity = {
  agentId: string;
  name: string;
  group: { id: string; name: string };
  controlPlane: string;
  /** Those that the control plane named last, else those of the enrolment; none: any CA that this host trusts. */
  trustAnchors: readonly string[];
  givenAnchor: string | undefined;
  verificationKeyring: VerificationKeyring;
  signingKey: SigningKey;
  encryptionKey: EncryptionKey;
  highWaterKey: Buffer;
  /** Seals the audit events that wait on disk. */
  eventsKey: Buffer;
};

export async function importIdentity(stored: StoredIdentity): Promise<Identity> {
  const { agentId, name, group, controlPlane, trustAnchors, givenAnchor } = stored;
  const privateKey = Buffer.from(stored.signingKey.d, 'base64url');
  const keyring = stored.verificationKeys.keys.map(
    ({ kid, ...jwk }) => [kid, importVerificationKey(jwk)] as const,
  );
  return {
    agentId,
    name,
    group,
    controlPlane,
    trustAnchors,
    givenAnchor,
    verificationKeyring: new Map(keyring),
    signingKey: importSigningKey(stored.signingKey),
    encryptionKey: await importEncryptionKey(stored.encryptionKey),
    highWaterKey: deriveHighWaterKey(privateKey, agentId),
    eventsKey: deriveEventsKey(privateKey, agentId),
  };
}

/** @throws AgentError `identity.missing` before the first enrolment, `identity.unreadable` for a damaged file, `state.*` */
export async function loadIdentity(state: StateView): Promise<Identity> {
  const bytes = await state.read('identity.json');
  if (bytes === undefined)
    throw noIdentity(state.path, (await state.read('identity.requested.json')) !== undefined);
  const path = state.join('identity.json');
  const stored = parseStored(bytes, path);
  const trustAnchors = await readTrustAnchors(state, stored);
  if (!areCertificates(trustAnchors))
    throw unreadable(`${path} names CAs to trust that are no certificates`);
  try {
    return await importIdentity({ ...stored, trustAnchors });
  } catch {
    throw unreadable(`${path} holds a private key that is not that of the public one beside it`);
  }
}

/** Writes into a directory's identity which group the agent is in now. */
export async function keepGroup(
  state: Pick<StateDirectory, 'path' | 'join' | 'read' | 'write'>,
  { agentId }: Pick<Identity, 'agentId'>,
  group: Identity['group'],
): Promise<void> {
  const bytes = await state.read('identity.json');
  const stored = bytes && parseStored(bytes, state.join('identity.json'));
  // Gone when the agent was revoked meanwhile, or another enrolled.
  if (stored?.agentId !== agentId) throw noIdentity(state.path);
  await state.write('identity.json', JSON.stringify({ ...stored, group }));
}

/** The error where nothing was enrolled yet; `asked` is whether a request for admission was made there. */
export function noIdentity(path: string, asked = false): AgentError {
  const enroll = 'run: sallyport-agent enroll';
  return new AgentError('identity.missing', `no agent is enrolled in ${path}`, {
    advice: asked
      ? `${enroll}, or, with what the operator exported for this host: sallyport-agent bundle import`
      : enroll,
  });
}

const namesAgent = z.object({ agentId: uuid });

/** The agent whose identity is in a directory; undefined when there is none, or none that can be read. */
export async function agentIdIn(state: StateDirectory): Promise<string | undefined> {
  try {
    const bytes = await state.read('identity.json');
    return bytes && namesAgent.parse(JSON.parse(bytes.toString('utf8'))).agentId;
  } catch {
    return undefined;
  }
}

/** Zeroes the bytes, which hold private keys. */
function parseStored(bytes: Buffer, path: string): StoredIdentity {
  try {
    return storedIdentity.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    // The cause is left out: it could quote the file.
    throw unreadable(`${path} is damaged or of another version`);
  } finally {
    bytes.fill(0);
  }
}

function unreadable(what: string): AgentError {
  return new AgentError('identity.unreadable', what, {
    advice: 'restore it from a backup, or enrol again with --force',
  });
}
