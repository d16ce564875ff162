import type { Db } from '../platform/db.ts';

/** What is in a group that somebody could miss. */
export type GroupContents = {
  agents: number;
  secrets: number;
  plugins: number;
  certificates: number;
  enrollmentTokens: number;
  links: number;
  bans: number;
  roles: number;
};

/**
 * Takes a group for oneself, its key included: waits for whoever changes it or holds it to make something in it, and
 * they wait from here on. False when it is deleted already.
 */
export async function lockGroup(tx: Db, id: string): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT FROM groups WHERE id = ${id}::uuid AND deleted_at IS NULL FOR UPDATE`;
  return rows.length === 1;
}

/** To be asked once the group is locked. Revoked agents, ended tokens and roles of ended API keys do not count. */
export async function countContents(tx: Db, groupId: string, now: Date): Promise<GroupContents> {
  const where = { groupId };
  const usable = { ...where, revokedAt: null, usesLeft: { gt: 0 }, expiresAt: { gt: now } };
  const held = {
    OR: [{ apiKeyId: null }, { apiKey: { revokedAt: null, expiresAt: { gt: now } } }],
  };
  return {
    agents: await tx.agent.count({ where: { ...where, revokedAt: null } }),
    secrets: await tx.secret.count({ where }),
    plugins: await tx.plugin.count({ where }),
    certificates: await tx.certificate.count({ where }),
    enrollmentTokens: await tx.enrollmentToken.count({ where: usable }),
    links: await tx.link.count({ where }),
    bans: await tx.ban.count({ where }),
    roles: await tx.roleBinding.count({ where: { ...where, ...held } }),
  };
}

/**
 * Destroys a group's keys, forgets what has ended in it, and lets its name go. Bundles that are on their way to be kept
 * are of a revision that it has left, and are forgotten as such.
 */
export async function endGroup(tx: Db, groupId: string, now: Date): Promise<void> {
  const where = { groupId };
  await tx.keyringVersion.deleteMany({ where });
  await tx.deliveryKey.deleteMany({ where });
  await tx.bundle.deleteMany({ where });
  await tx.enrollmentToken.deleteMany({ where });
  await tx.roleBinding.deleteMany({ where });
  await tx.group.update({
    where: { id: groupId },
    data: { deletedAt: now, revision: { increment: 1 } },
  });
}
