import { recordAct } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { ExpiringMap } from '../platform/expiring-map.ts';
import type { Platform } from '../platform/platform.ts';
import { NO_GROUP } from '../platform/root-keys.ts';
import { refuseUnknownRoot } from '../trust/index.ts';
import { UnreadableValue } from './unreadable-value.ts';

const AGAIN_AFTER_MS = 60 * 60_000;
const MAX_REMEMBERED = 10_000;

type Needed = Pick<Platform, 'auditRows' | 'clock' | 'db' | 'rootKeys'>;

/**
 * Puts values that do not open into the audit: somebody may have changed or moved them. Each replica reports a place
 * once an hour, however often it is met.
 */
export class UnreadableReports {
  readonly #platform: Needed;
  readonly #reported: ExpiringMap<true>;

  constructor(platform: Needed) {
    this.#platform = platform;
    this.#reported = new ExpiringMap(platform.clock, MAX_REMEMBERED);
  }

  /**
   * Records the error if it is one of these. `op` is the act that met it.
   *
   * @throws AppError `server.unavailable` when this replica lacks the root key, and can open nothing
   */
  async notice(error: unknown, op: Operation): Promise<void> {
    if (!(error instanceof UnreadableValue)) return;
    const { clock, db, rootKeys } = this.#platform;
    await db.read((reader) => refuseUnknownRoot(reader, rootKeys));
    const { table, row, field, group, keyVersion } = error.place;
    const subject = `${table}.${field}:${row}`;
    if (this.#reported.get(subject) !== undefined) return;
    const act = {
      action: 'envelope:unreadable',
      subject,
      ...(group === NO_GROUP ? {} : { groupId: group }),
      outcome: 'refused',
      details: { keyVersion },
    } as const;
    await recordAct(this.#platform, op, act);
    this.#reported.set(subject, true, clock.now() + AGAIN_AFTER_MS);
  }
}
