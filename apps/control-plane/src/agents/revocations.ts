import { ACCESS_TOKEN_TTL_SECONDS, type AccessClaims } from '@sallyport/crypto/access-token';
import type { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { agentRevoked, agentTokenRevoked } from './agent-refusals.ts';
import { listTokensRevokedSince } from './agent-tokens.store.ts';
import { listRevokedSince } from './agents.store.ts';

/** Revocations older than this cannot meet an unexpired access token; doubled for clocks that differ. */
const WINDOW_MS = 2 * ACCESS_TOKEN_TTL_SECONDS * 1000;

/**
 * The agents, and the agent tokens, that this replica must refuse although the access tokens that stem from
 * them have not expired. Wake-ups add to it at once; `reload` makes it whole again, whatever was missed.
 */
export class Revocations {
  readonly #platform: Platform;
  #revoked = new Set<string>();
  /** Heard since the last `reload` began, whose statement may not have seen them yet. */
  #heard = new Set<string>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Of an agent, or of an agent token. */
  add(id: string): void {
    this.#revoked.add(id);
    this.#heard.add(id);
  }

  /** Why a session is over before its time; undefined while it is not. */
  refusalOf({ agentId, tokenId }: Pick<AccessClaims, 'agentId' | 'tokenId'>): AppError | undefined {
    if (this.#revoked.has(agentId)) return agentRevoked();
    if (tokenId !== undefined && this.#revoked.has(tokenId)) return agentTokenRevoked();
    return undefined;
  }

  /** Re-reads the list, which forgets what is older than any access token; returns what is new here, and the agent that it is of. */
  async reload(): Promise<{ id: string; agentId: string }[]> {
    const heard = (this.#heard = new Set<string>());
    const since = new Date(this.#platform.clock.now() - WINDOW_MS);
    const revoked = await this.#platform.db.read(async (reader) => {
      const agents = await listRevokedSince(reader, since);
      const tokens = await listTokensRevokedSince(reader, since);
      return [...agents.map((id) => ({ id, agentId: id })), ...tokens];
    });
    const fresh = revoked.filter(({ id }) => !this.#revoked.has(id));
    this.#revoked = new Set([...revoked.map(({ id }) => id), ...heard]);
    return fresh;
  }
}
