import type { Db } from '../platform/db.ts';

/** What is kept of a certificate: pinned by its key, as a serial number is its issuer's to choose. */
export type AgentCertificateRow = {
  id: string;
  agentId: string;
  authorityId: string;
  serialNumber: string;
  keyThumbprint: string;
  issuedAt: Date;
  expiresAt: Date;
};

/** Of one agent, also when it loses replies and asks again and again. */
const MAX_PER_AGENT = 8;

/** Keeps a certificate, and forgets the oldest of the agent's but `used`, with which it is asked for. */
export async function insertAgentCertificate(
  tx: Db,
  row: AgentCertificateRow,
  used: string | undefined,
): Promise<void> {
  await tx.agentCertificate.create({ data: row });
  await tx.$executeRaw`
    DELETE FROM agent_certificates WHERE id IN (
      SELECT id FROM agent_certificates
      WHERE agent_id = ${row.agentId}::uuid AND key_thumbprint IS DISTINCT FROM ${used ?? null}
      ORDER BY id DESC OFFSET ${MAX_PER_AGENT - 1}
    )`;
}

/** When the newest certificate of an agent ends, or ended; undefined when it never had one, or long ago. */
export async function newestExpiry(db: Db, agentId: string): Promise<Date | undefined> {
  const row = await db.agentCertificate.findFirst({
    where: { agentId },
    orderBy: { expiresAt: 'desc' },
    select: { expiresAt: true },
  });
  return row?.expiresAt;
}

/** Whether a key was certified for the agent, and who that is. */
export async function findCertifiedAgent(
  db: Db,
  agentId: string,
  keyThumbprint: string,
): Promise<{ agentId: string; groupId: string } | undefined> {
  const row = await db.agentCertificate.findFirst({
    where: { agentId, keyThumbprint },
    select: { agentId: true, agent: { select: { groupId: true } } },
  });
  return row === null ? undefined : { agentId: row.agentId, groupId: row.agent.groupId };
}

/** Those that ended before `before`, when nobody can recover from them any more. */
export async function deleteEndedCertificates(
  db: Db,
  before: Date,
  limit: number,
): Promise<number> {
  const where = { expiresAt: { lt: before } };
  return (await db.agentCertificate.deleteMany({ where, limit })).count;
}
