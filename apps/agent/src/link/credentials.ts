import { areCertificates } from '@sallyport/tls/certificates-in-pem';
import type { HttpsLink } from '@sallyport/tls/https-link';
import type { LinkStores } from '@sallyport/tls/link-stores';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { problemsIn, refreshStores } from '../files/stores.ts';
import type { Log } from '../log.ts';
import {
  certificateIn,
  checked,
  keepClientCertificate,
  type ClientCertificate,
  type Validity,
} from '../state/client-certificate.ts';
import type { Identity } from '../state/identity.ts';
import type { StateDirectory } from '../state/state-directory.ts';
import { keepTrustAnchors, withGiven } from '../state/trust-anchors.ts';
import { shownCertificate } from '../state/view-identity.ts';
import { errorFromReply } from './call.ts';
import { caOf, type Trust } from './trust.ts';

/** How much earlier than at half of its life a certificate may be renewed, as a part of that half. */
const JITTER = 0.1;

type CredentialsParts = {
  state: StateDirectory;
  identity: Identity;
  /** Whose certificates the control plane may show. */
  trust: Trust;
  /** The files that are set in place of what the control plane gives. */
  stores?: LinkStores | undefined;
  clock: Pick<Clock, 'now' | 'monotonic'>;
  random: () => number;
  log: Log;
};

/**
 * What the link to the control plane trusts and shows, kept on disk and replaced while the agent runs. Whether a
 * certificate is due is told by two clocks, either of which may have been wrong or have stood still.
 */
export class Credentials {
  readonly #parts: CredentialsParts;
  readonly byCertificate: boolean;
  /** Called each time that a new file was taken. */
  onReplaced: () => void = () => {};
  #anchors: string[];
  #certificate: ClientCertificate | undefined;
  #due: { atMs: number; monotonicMs: number } = { atMs: Infinity, monotonicMs: Infinity };
  #link: Pick<HttpsLink, 'replace'> | undefined;

  private constructor(
    parts: CredentialsParts,
    byCertificate: boolean,
    certificate: ClientCertificate | undefined,
  ) {
    this.#parts = parts;
    this.byCertificate = byCertificate;
    this.#anchors = [...parts.trust.certificates];
    this.#use(certificate);
  }

  /** Takes the certificate of the keystore, or reads the one that is on disk, where sessions are opened with it. */
  static async open(parts: CredentialsParts, byCertificate: boolean): Promise<Credentials> {
    const { state, identity, stores } = parts;
    const certificate = await shownCertificate(
      state,
      identity,
      { authentication: byCertificate ? 'certificate' : 'key' },
      stores,
    );
    return new Credentials(parts, byCertificate, certificate);
  }

  /** Whether the certificate comes from a file, which somebody else renews. */
  get isGiven(): boolean {
    return this.byCertificate && this.#parts.stores?.sets('keystore') === true;
  }

  /** What keeps a file that was set from being taken, as it is now. */
  get problems(): string[] {
    return this.#parts.stores === undefined ? [] : problemsIn(this.#parts.stores);
  }

  /**
   * Checked before every request: without a file that is set, the link would trust or show something else.
   *
   * @throws AgentError `link.files_refused` for one that was never taken
   */
  assertTaken(): void {
    const missing = this.#parts.stores?.problems.find(({ isHeld }) => !isHeld);
    if (missing === undefined) return;
    throw new AgentError('link.files_refused', missing.text, { retryable: true });
  }

  /** Looks at the files that are set again; one that is not taken is told, and leaves what there was. */
  async refresh(): Promise<void> {
    const { stores, log } = this.#parts;
    if (stores === undefined) return;
    if (!(await refreshStores(stores, log))) return;
    if (this.isGiven && stores.keystore) this.#use(certificateIn(stores.keystore));
    if (stores.truststore !== undefined) this.#anchors = [...stores.truststore];
    this.#link?.replace(this.tls);
    log.info({}, 'the certificates of the link to the control plane were read anew');
    this.onReplaced();
  }

  /** For the link that is made with them, and for each of its connections from a change on. */
  get tls(): { ca: string | undefined; identity: { cert: string; key: string } | undefined } {
    const { cert, key } = this.#certificate ?? {};
    const identity = cert === undefined || key === undefined ? undefined : { cert, key };
    return { ca: caOf({ certificates: this.#anchors }), identity };
  }

  /** The link that is to follow from now on. */
  attach(link: Pick<HttpsLink, 'replace'>): void {
    this.#link = link;
  }

  /** The certificate, while it is good at this time; undefined when another one is needed. */
  usable(nowMs: number): ClientCertificate | undefined {
    const certificate = this.#certificate;
    return certificate && nowMs < certificate.notAfterMs ? certificate : undefined;
  }

  /** That of the certificate that there is. */
  get validity(): Validity | undefined {
    return this.#certificate;
  }

  isDue(nowMs: number): boolean {
    return nowMs >= this.#due.atMs || this.#parts.clock.monotonic() >= this.#due.monotonicMs;
  }

  /** Another certificate is due when this one names another group. */
  belongTo(group: string): void {
    const named = this.#certificate?.group;
    if (named === undefined || named === group) return;
    this.#due = { atMs: -Infinity, monotonicMs: -Infinity };
  }

  /** The control plane does not know it: until another one comes, there is none. */
  reject(): void {
    this.#use(undefined);
  }

  /**
   * Keeps a certificate that was asked for with a new key, at `nowMs` by the control plane's clock, and shows it from
   * the next connection on. Where it cannot be kept it is good until this process ends.
   *
   * @throws AgentError `reply.unexpected` when it is of another key or agent
   */
  async take(cert: string, key: string, nowMs: number): Promise<void> {
    const { state, identity, log } = this.#parts;
    const certificate = errorFromReply(() => checked(cert, key, identity));
    await this.#kept(() => keepClientCertificate(state, certificate));
    this.#use(certificate, nowMs);
    this.#link?.replace(this.tls);
    const expiresAt = new Date(certificate.notAfterMs).toISOString();
    log.info({ serialNumber: certificate.serialNumber, expiresAt }, 'client certificate renewed');
  }

  /**
   * Trusts the CAs that the control plane names, over a connection that was verified, in place of those of the
   * enrolment. What somebody set otherwise stays as it is.
   */
  async trust(named: string[]): Promise<void> {
    const { state, identity, trust, log } = this.#parts;
    if (trust.from !== 'enrolment') return;
    if (!areCertificates(named)) {
      log.warn({}, 'the control plane named CAs that cannot be read; those from before stay');
      return;
    }
    const next = withGiven(named, identity);
    if (next.toSorted().join() === this.#anchors.toSorted().join()) return;
    this.#anchors = next;
    await this.#kept(() => keepTrustAnchors(state, identity, named));
    this.#link?.replace(this.tls);
    log.info({ count: next.length }, 'the control plane named other CAs to trust');
  }

  async #kept(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      const { code, message: detail } = error;
      this.#parts.log.warn({ code, detail }, 'credentials could not be kept on disk');
    }
  }

  #use(certificate: ClientCertificate | undefined, nowMs = this.#parts.clock.now()): void {
    this.#certificate = certificate;
    if (certificate === undefined) return;
    const { clock, random } = this.#parts;
    const { notBeforeMs, notAfterMs } = certificate;
    const halfMs = (notAfterMs - notBeforeMs) / 2;
    const atMs = notBeforeMs + halfMs * (1 - JITTER * random());
    this.#due = { atMs, monotonicMs: clock.monotonic() + (atMs - nowMs) };
  }
}
