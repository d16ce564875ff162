import { ACCESS_TOKEN_TTL_SECONDS } from '@sallyport/crypto/access-token';
import type { Platform } from '../platform/platform.ts';
import { listRevokedSince } from './agents.store.ts';

/** Revocations older than this cannot meet an unexpired access token; doubled for clocks that differ. */
const WINDOW_MS = 2 * ACCESS_TOKEN_TTL_SECONDS * 1000;

/**
 * The agents that this replica must refuse although their access tokens have not expired. Wake-ups add to
 * it at once; `reload` makes it whole again, whatever was missed.
 */
export class Revocations {
  readonly #platform: Platform;
  #revoked = new Set<string>();
  /** Heard since the last `reload` began, whose statement may not have seen them yet. */
  #heard = new Set<string>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  add(agentId: string): void {
    this.#revoked.add(agentId);
    this.#heard.add(agentId);
  }

  has(agentId: string): boolean {
    return this.#revoked.has(agentId);
  }

  /** Re-reads the list, which forgets what is older than any access token; returns the ids that are new here. */
  async reload(): Promise<string[]> {
    const heard = (this.#heard = new Set<string>());
    const since = new Date(this.#platform.clock.now() - WINDOW_MS);
    const ids = await this.#platform.db.read((reader) => listRevokedSince(reader, since));
    const fresh = ids.filter((id) => !this.#revoked.has(id));
    this.#revoked = new Set([...ids, ...heard]);
    return fresh;
  }
}
