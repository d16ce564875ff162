import type { Operation } from '../authorization/index.ts';
import type { AppError } from '../platform/app-error.ts';
import { ExpiringMap } from '../platform/expiring-map.ts';
import type { Platform } from '../platform/platform.ts';
import type { AuditAct } from './audit-event.ts';
import { recordAct, type Recording } from './record-act.ts';

const AGAIN_AFTER_MS = 60 * 60_000;
const MAX_REMEMBERED = 50_000;

/**
 * Records that a credential was shown which is no longer good. Each replica records it once an hour for one reason,
 * however often it is shown, so that nobody fills the audit with it. Where it cannot be recorded it is refused all the
 * same, since an agent that was revoked must hear of it, and recorded when it is shown again.
 */
export class RefusedUses {
  readonly #recording: Recording & Pick<Platform, 'log'>;
  readonly #recorded: ExpiringMap<true>;

  constructor(recording: Recording & Pick<Platform, 'log'>) {
    this.#recording = recording;
    this.#recorded = new ExpiringMap(recording.clock, MAX_REMEMBERED);
  }

  /** `op` is of whoever is known to have shown it. Returns `refusal`, to be thrown. */
  async noted(
    op: Operation,
    act: Pick<AuditAct, 'action' | 'subject' | 'groupId'>,
    refusal: AppError,
  ): Promise<AppError> {
    const { code } = refusal;
    const use = `${act.action} ${act.subject} ${code}`;
    if (this.#recorded.get(use) !== undefined) return refusal;
    // Before it is written: others like it come meanwhile.
    this.#recorded.set(use, true, this.#recording.clock.now() + AGAIN_AFTER_MS);
    try {
      await recordAct(this.#recording, op, { ...act, outcome: 'refused', details: { code } });
    } catch (err) {
      this.#recorded.delete(use);
      this.#recording.log.warn(
        { err },
        'the use of a credential that is refused cannot be recorded',
      );
    }
    return refusal;
  }
}
