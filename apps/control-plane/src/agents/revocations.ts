import { ACCESS_TOKEN_TTL_SECONDS, type AccessClaims } from '@sallyport/crypto/access-token';
import type { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { agentMoved, agentRevoked, agentTokenRevoked } from './agent-refusals.ts';
import { listTokensRevokedSince } from './agent-tokens.store.ts';
import { listMovedSince, listRevokedSince } from './agents.store.ts';

/** Revocations older than this cannot meet an unexpired access token; doubled for clocks that differ. */
const WINDOW_MS = 2 * ACCESS_TOKEN_TTL_SECONDS * 1000;

/**
 * The agents and agent tokens that this replica must refuse although access tokens that stem from them have not
 * expired, and the groups of agents that were moved: their older access tokens are for the group before. Wake-ups add
 * to it at once; `reload` makes it whole again, whatever was missed.
 */
export class Revocations {
  readonly #platform: Platform;
  #revoked = new Set<string>();
  /** Heard since the last `reload` began, whose statement may not have seen them yet. */
  #heard = new Set<string>();
  /** By agent, the group that it was moved to. */
  #moved = new Map<string, string>();
  #heardMoved = new Map<string, string>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Of an agent, or of an agent token. */
  add(id: string): void {
    this.#revoked.add(id);
    this.#heard.add(id);
  }

  addMove(agentId: string, groupId: string): void {
    this.#moved.set(agentId, groupId);
    this.#heardMoved.set(agentId, groupId);
  }

  /** Why a session is over before its time; undefined while it is not. */
  refusalOf({
    agentId,
    tokenId,
    groupId,
  }: Pick<AccessClaims, 'agentId' | 'tokenId' | 'groupId'>): AppError | undefined {
    if (this.#revoked.has(agentId)) return agentRevoked();
    if (tokenId !== undefined && this.#revoked.has(tokenId)) return agentTokenRevoked();
    return (this.#moved.get(agentId) ?? groupId) === groupId ? undefined : agentMoved();
  }

  /**
   * Re-reads the lists, and so forgets what is older than any access token. Returns what is new, by the agent that it
   * concerns; `id` is that of the agent or the token, and of a move that of the group.
   */
  async reload(): Promise<{ id: string; agentId: string }[]> {
    const heard = (this.#heard = new Set<string>());
    const heardMoved = (this.#heardMoved = new Map<string, string>());
    const since = new Date(this.#platform.clock.now() - WINDOW_MS);
    const [revoked, moves] = await this.#platform.db.read(async (reader) => {
      const agents = await listRevokedSince(reader, since);
      const tokens = await listTokensRevokedSince(reader, since);
      const all = [...agents.map((id) => ({ id, agentId: id })), ...tokens];
      return [all, await listMovedSince(reader, since)] as const;
    });
    const fresh = revoked.filter(({ id }) => !this.#revoked.has(id));
    this.#revoked = new Set([...revoked.map(({ id }) => id), ...heard]);
    const movedNow = moves
      .filter(({ id, groupId }) => this.#moved.get(id) !== groupId)
      .map(({ id, groupId }) => ({ id: groupId, agentId: id }));
    this.#moved = new Map([
      ...moves.map(({ id, groupId }) => [id, groupId] as const),
      ...heardMoved,
    ]);
    return [...fresh, ...movedNow];
  }
}
