import { sql } from './audit/chain.ts';
import type { TestControlPlane } from './control-plane.ts';

/** What the audit has of values that did not open: those of a group, or what belongs to none. */
export function unreadableIn({ databaseUrl }: TestControlPlane, group: string | null) {
  return sql<{ subject: string; outcome: string; actor: string }>(
    databaseUrl,
    `SELECT e.subject, e.outcome, e.actor_kind AS actor FROM audit_events e
       LEFT JOIN groups g ON g.id = e.group_id
      WHERE e.action = 'envelope:unreadable' AND g.name IS NOT DISTINCT FROM $1 ORDER BY e.seq`,
    [group],
  );
}
