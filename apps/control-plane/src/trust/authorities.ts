import { X509Certificate } from 'node:crypto';
import type { Place } from '@sallyport/crypto/envelope';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import { rootPlace, type RootKeys } from '../platform/root-keys.ts';
import {
  CertificateAuthority,
  generateAuthority,
  importAuthorityKey,
  type ServerCertificate,
} from './certificate-authority.ts';
import { openUnderKnownRoot, sealUnderRoot } from './seal-under-root.ts';
import { insertAuthority, listAuthorities, type AuthorityRow } from './trust.store.ts';

/** Through more rotations than these an agent that was away is not led: it enrols again. */
const MAX_CROSS_CERTIFICATES = 4;

/** What is known of the CAs at one time. */
type Known = {
  rows: AuthorityRow[];
  active: CertificateAuthority;
  /** All that are trusted, the issuing one first; read once, as each session by certificate asks for them. */
  trusted: X509Certificate[];
  /** The same in PEM. */
  trustAnchors: string[];
};

/** The installation's own CAs: the one that issues, and those that are trusted beside it while it is rotated. */
export class Authorities {
  readonly #rootKeys: RootKeys;
  #known: Known;

  private constructor(rootKeys: RootKeys, known: Known) {
    this.#rootKeys = rootKeys;
    this.#known = known;
  }

  /** Loads them, making the first under the first-start lock. */
  static async load(tx: Db, rootKeys: RootKeys, nowMs: number): Promise<Authorities> {
    const found = await listAuthorities(tx);
    const rows = found.length > 0 ? found : [await createAuthority(tx, rootKeys, nowMs)];
    return new Authorities(rootKeys, await knownOf(tx, rows, rootKeys));
  }

  /** Reads them again; true when that brought anything new. */
  async reload(db: Db): Promise<boolean> {
    const rows = await listAuthorities(db);
    if (stateOf(rows) === stateOf(this.#known.rows)) return false;
    this.#known = await knownOf(db, rows, this.#rootKeys);
    return true;
  }

  /** The CA that issues by what is stored, whatever was heard of it here. */
  async activeAsStored(tx: Db): Promise<CertificateAuthority> {
    return (await knownOf(tx, await listAuthorities(tx), this.#rootKeys)).active;
  }

  /** The CA that issues. */
  get active(): CertificateAuthority {
    return this.#known.active;
  }

  /** The certificates of all that are trusted, PEM each, the issuing one first. */
  get trustAnchors(): string[] {
    return this.#known.trustAnchors;
  }

  /** Whether one of the trusted CAs issued a certificate, directly. */
  hasIssued(certificate: X509Certificate): boolean {
    return this.#known.trusted.some(
      (issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey),
    );
  }

  /**
   * A new certificate for the listeners, with a chain for everybody: up to the active CA for who trusts it, and on
   * to the CAs before it for who was away while it took over. The cross certificates come first, or OpenSSL would
   * end at the CA's own certificate and not know it.
   */
  async issueServerCertificate(hosts: string[], nowMs: number): Promise<ServerCertificate> {
    return this.#withChain(await this.active.issueServerCertificate(hosts, nowMs), nowMs);
  }

  /** The same for the connections that the control plane opens to agents. */
  async issueClientCertificate(hosts: string[], nowMs: number): Promise<ServerCertificate> {
    return this.#withChain(await this.active.issueClientCertificate(hosts, nowMs), nowMs);
  }

  #withChain({ cert, key }: ServerCertificate, nowMs: number): ServerCertificate {
    const chain = [cert, ...this.#crossCertificates(nowMs), this.active.certificatePem];
    return { cert: chain.join('\n'), key };
  }

  #crossCertificates(nowMs: number): string[] {
    const { rows, active } = this.#known;
    const found: string[] = [];
    let row = rows.find(({ id }) => id === active.id);
    while (row?.crossCertificatePem != null && found.length < MAX_CROSS_CERTIFICATES) {
      const { crossCertificatePem, signedById } = row;
      if (new X509Certificate(crossCertificatePem).validToDate.getTime() <= nowMs) break;
      found.push(crossCertificatePem);
      row = rows.find(({ id }) => id === signedById);
    }
    return found;
  }
}

/** Makes a CA; `before` certifies it too. */
export async function createAuthority(
  tx: Db,
  rootKeys: RootKeys,
  nowMs: number,
  before?: CertificateAuthority,
): Promise<AuthorityRow> {
  const id = newId();
  const { certificatePem, pkcs8 } = await generateAuthority(nowMs);
  const row: AuthorityRow = {
    id,
    state: before === undefined ? 'active' : 'prepared',
    certificatePem,
    crossCertificatePem: (await before?.certifyAuthority(certificatePem)) ?? null,
    signedById: before?.id ?? null,
    sealedPrivateKey: await sealUnderRoot(tx, rootKeys, pkcs8, authorityKeyPlace(id)),
    createdAt: new Date(nowMs),
  };
  pkcs8.fill(0);
  await insertAuthority(tx, row);
  return row;
}

async function knownOf(db: Db, rows: AuthorityRow[], rootKeys: RootKeys): Promise<Known> {
  const row = rows.find(({ state }) => state === 'active');
  if (row?.sealedPrivateKey == null) throw new Error('there is no certificate authority');
  const { id, certificatePem, sealedPrivateKey } = row;
  const place = authorityKeyPlace(id);
  const pkcs8 = await openUnderKnownRoot(db, rootKeys, sealedPrivateKey, place);
  const privateKey = await importAuthorityKey(pkcs8);
  pkcs8.fill(0);
  const others = rows.filter((other) => other.id !== id && other.state !== 'retired');
  const trustAnchors = [certificatePem, ...others.map((other) => other.certificatePem)];
  return {
    rows,
    active: new CertificateAuthority(id, certificatePem, privateKey),
    trusted: trustAnchors.map((pem) => new X509Certificate(pem)),
    trustAnchors,
  };
}

/** Two lists with the same text are the same: a CA changes in nothing else. */
function stateOf(rows: AuthorityRow[]): string {
  return rows.map(({ id, state }) => `${id} ${state}`).join();
}

/** Where a CA's private key lives: the place that its ciphertext is bound to. */
export function authorityKeyPlace(id: string): Place {
  return rootPlace('certificate_authorities', id, 'sealed_private_key');
}
