import type { ExportedBundle, OfflineBundle } from '@sallyport/contract';
import { sealDeliveryKey } from '@sallyport/crypto/delivery-key';
import { importEncryptionPublicKey } from '@sallyport/crypto/encryption-key';
import { signOfflineBundle } from '@sallyport/crypto/offline-bundle';
import { authorizedAgent } from '../agents/index.ts';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { openStoredDeliveryKey } from '../delivery-keys/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import type { Trust } from '../trust/index.ts';
import { buildBundle, type BuiltRevision } from './build-bundle.ts';

export type ExportDeps = {
  platform: Platform;
  trust: Trust;
  /** Where agents reach this control plane. */
  info: { agentUrl: () => string };
};

const DAY_MS = 86_400_000;

/**
 * What may be kept on disk of an agent's current revision, signed for that agent, to be carried to it. It is audited
 * before it leaves. Values that stay in memory, and those that are lent out, are not in it.
 *
 * @throws AppError `agent.not_found`, `permission.denied`, `bundle.agent_revoked`, `bundle.agent_moved`
 */
export async function exportBundle(
  deps: ExportDeps,
  op: Operation,
  agentId: string,
  { expiresInDays }: { expiresInDays: number },
): Promise<ExportedBundle> {
  const { platform, trust } = deps;
  const { db, clock } = platform;
  const before = await db.read((reader) => exportable(reader, op, agentId));
  const built = await buildBundle(platform, trust, before.groupId);
  const { signer } = trust.signingKeys;
  return db.transaction(async (tx) => {
    // Once more: a bundle may take a while to build, and an agent that was moved meanwhile gets nothing of its old group.
    const agent = await exportable(tx, op, agentId);
    if (agent.groupId !== before.groupId) throw movedMeanwhile();
    const issuedAt = new Date(clock.now()).toISOString();
    const expiresAt = new Date(clock.now() + expiresInDays * DAY_MS).toISOString();
    const content = await contentFor(tx, deps, agent, built);
    const { revision } = built;
    const act = {
      action: 'bundle:export',
      subject: `agent:${agentId}`,
      groupId: agent.groupId,
      outcome: 'done',
      details: { revision, expiresAt },
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
    return {
      agentId,
      revision,
      issuedAt,
      expiresAt,
      signer: signer.thumbprint,
      withheld: built.bundle.live !== undefined,
      bundle: signOfflineBundle({ ...content, issuedAt, expiresAt }, signer),
    };
  });
}

type ExportableAgent = Awaited<ReturnType<typeof authorizedAgent>>;

async function exportable(db: Db, op: Operation, agentId: string): Promise<ExportableAgent> {
  const agent = await authorizedAgent(db, op, 'bundle:export', agentId);
  if (agent.revokedAt === null) return agent;
  throw new AppError(
    'bundle.agent_revoked',
    'This agent is revoked, and gets nothing more; admit its host anew with another request.',
  );
}

async function contentFor(
  tx: Db,
  { platform, trust, info }: ExportDeps,
  { id, name, groupId, group, encryptionKey }: ExportableAgent,
  { revision, epoch, bundle: { durable } }: BuiltRevision,
): Promise<Omit<OfflineBundle, 'issuedAt' | 'expiresAt'>> {
  const recipient = await importEncryptionPublicKey(encryptionKey);
  const delivery = await openStoredDeliveryKey(tx, platform, groupId, epoch);
  const deliveryKey = await sealDeliveryKey(delivery, recipient);
  delivery.key.fill(0);
  return {
    format: 1,
    agentId: id,
    name,
    group: { id: groupId, name: group.name },
    controlPlane: info.agentUrl(),
    trustAnchors: trust.trustAnchors(),
    verificationKeys: trust.signingKeys.published,
    revision,
    epoch,
    deliveryKey,
    durable,
  };
}

function movedMeanwhile(): AppError {
  return new AppError(
    'bundle.agent_moved',
    'This agent was moved to another group meanwhile; export its bundle again.',
  );
}
