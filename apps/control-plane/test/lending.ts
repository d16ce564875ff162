import type { AgentClient } from './agent-client.ts';
import { sql } from './audit/chain.ts';
import type { TestControlPlane } from './control-plane.ts';
import { agentIn } from './group-agents.ts';
import type { OperatorClient } from './operator-client.ts';

/** The value that is lent out. */
export const CANARY = 'canary-9f2c7d10';
export const policy = { ttlSeconds: 60, maxTtlSeconds: 100, maxUses: 1, windows: [] as object[] };
/** Noon on a Tuesday. */
export const NOON = Date.UTC(2030, 0, 1, 12);

/** A group with a secret that is lent out, and an agent of it. */
export async function lendingIn(
  controlPlane: TestControlPlane,
  owner: OperatorClient,
  group: string,
  lease: object = policy,
): Promise<AgentClient> {
  const agent = await agentIn(owner, group, controlPlane);
  await owner.call('PUT', `/groups/${group}/secrets/db`, { value: CANARY, lease });
  return agent;
}

/** The audit events of a thing. */
export function eventsOf({ databaseUrl }: TestControlPlane, subject: string) {
  return sql<{ action: string; outcome: string; details: object }>(
    databaseUrl,
    `SELECT action, outcome, details FROM audit_events WHERE subject = '${subject}' ORDER BY at, id`,
  );
}

/** The leases of a group, as they are listed. */
export async function leasesOf(owner: OperatorClient, group: string, query = ''): Promise<unknown> {
  return (await owner.call('GET', `/groups/${group}/leases${query}`)).body;
}
