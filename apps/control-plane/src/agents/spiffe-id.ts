import { uuid } from '@sallyport/contract';

/** An agent's SPIFFE ID (SPIFFE-ID, section 2). */
export function agentSpiffeId(
  trustDomain: string,
  { group, agentId }: { group: string; agentId: string },
): string {
  return `spiffe://${trustDomain}/group/${group}/agent/${agentId}`;
}

/** The agent that a SPIFFE ID of this trust domain names. Its group is told by its row, not by what it was once. */
export function agentOfSpiffeId(trustDomain: string, id: string): string | undefined {
  const [scheme, , domain, group, , agent, agentId, ...rest] = id.split('/');
  if (scheme !== 'spiffe:' || domain !== trustDomain || rest.length > 0) return undefined;
  if (group !== 'group' || agent !== 'agent') return undefined;
  return uuid.safeParse(agentId).data;
}
