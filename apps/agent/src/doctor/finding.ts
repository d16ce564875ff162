import { CryptoError } from '@sallyport/crypto/crypto-error';
import { LinkError } from '@sallyport/tls/https-link';
import { KeystoreError } from '@sallyport/tls/keystore-error';
import { AgentError } from '../agent-error.ts';

/** `skipped`: what has to be right first is not. */
export type Outcome = 'ok' | 'warning' | 'failed' | 'skipped';

/** What a check found, and what to do about it; never a value of anything secret. */
export type Found = { outcome: Outcome; detail: string; advice?: string | undefined };

export const ok = (detail: string): Found => ({ outcome: 'ok', detail });
export const warning = (detail: string, advice?: string): Found => ({
  outcome: 'warning',
  detail,
  advice,
});
export const failed = (detail: string, advice?: string): Found => ({
  outcome: 'failed',
  detail,
  advice,
});

/** Thrown by a check that another one stands before. */
export class Blocked extends Error {
  constructor(by: string) {
    super(`not checked: ${by} must be right first`);
    this.name = 'Blocked';
  }
}

/** Thrown by a check of a link that this agent does not make: it listens. */
export class Dialled extends Blocked {
  constructor() {
    super('the link');
    this.name = 'Dialled';
    this.message = 'this agent is dialled by the control plane; ask there: sallyport link show';
  }
}

/** What a check threw, as its finding. Anything that is no error of the agent’s own is thrown on. */
export function foundOf(error: unknown): Found {
  if (error instanceof Blocked) return { outcome: 'skipped', detail: error.message };
  if (error instanceof AgentError) return failed(error.message, error.advice);
  if (error instanceof LinkError || error instanceof CryptoError || error instanceof KeystoreError)
    return failed(error.message);
  throw error;
}
