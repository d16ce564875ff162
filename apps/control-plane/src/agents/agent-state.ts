import type { AgentState } from '@sallyport/contract';
import { STALE_AFTER_MS } from './agent-states.store.ts';
import type { AgentRow } from './agents.store.ts';

type Standing = Pick<
  AgentRow,
  'revokedAt' | 'lostAt' | 'appliedRevision' | 'behindRevision' | 'behindSince'
>;

/** What an operator is told of an agent, as `inState` finds it, and since when; an active one is as it should be. */
export function stateOf(
  { revokedAt, lostAt, appliedRevision, behindRevision, behindSince }: Standing,
  now: Date,
): { state: AgentState; stateSince: string | null } {
  if (revokedAt !== null) return { state: 'revoked', stateSince: revokedAt.toISOString() };
  if (lostAt !== null) return { state: 'lost', stateSince: lostAt.toISOString() };
  const isBehind = behindRevision !== null && appliedRevision < behindRevision;
  const isLong = behindSince !== null && now.getTime() - behindSince.getTime() >= STALE_AFTER_MS;
  return isBehind && isLong
    ? { state: 'stale', stateSince: behindSince.toISOString() }
    : { state: 'active', stateSince: null };
}
