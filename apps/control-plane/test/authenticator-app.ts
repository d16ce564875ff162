import { totpCode, totpStep } from '@sallyport/crypto/totp';
import type { TestClock } from '@sallyport/testkit/clock';
import { OWNER_PASSWORD } from './control-plane.ts';
import { field, type OperatorClient } from './operator-client.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** An authenticator app that was shown a secret, and whose clock is the control plane's. */
export class AuthenticatorApp {
  readonly #secret: Buffer;
  readonly #clock: TestClock;

  constructor(base32: string, clock: TestClock) {
    this.#secret = fromBase32(base32);
    this.#clock = clock;
  }

  /** The code that it shows, `steps` of 30 seconds from now. */
  code(steps = 0): string {
    return totpCode(this.#secret, totpStep(this.#clock.now()) + steps);
  }

  /** A code that it does not show, now or in the steps beside. */
  wrongCode(): string {
    const shown = new Set([-1, 0, 1].map((steps) => this.code(steps)));
    return ['000000', '111111', '222222', '333333'].find((code) => !shown.has(code)) ?? '';
  }
}

/** Gives an operator with the owner’s password a second factor that is not confirmed yet. */
export async function newApp(client: OperatorClient, clock: TestClock): Promise<AuthenticatorApp> {
  const reply = await client.call('POST', '/me/totp', { password: OWNER_PASSWORD });
  return new AuthenticatorApp(field(reply.body, 'secret'), clock);
}

/** Gives an operator a second factor that counts. The code of this step is used. */
export async function enableTotp(
  client: OperatorClient,
  clock: TestClock,
): Promise<AuthenticatorApp> {
  const app = await newApp(client, clock);
  const reply = await client.call('POST', '/me/totp/confirm', { code: app.code() });
  if (reply.status !== 204) throw new Error(`confirming was answered ${reply.status}`);
  return app;
}

/** RFC 4648, section 6, without padding. */
function fromBase32(text: string): Buffer {
  const bits = Array.from(text, (char) => ALPHABET.indexOf(char).toString(2).padStart(5, '0')).join(
    '',
  );
  const bytes = bits.match(/.{8}/g) ?? [];
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)));
}
