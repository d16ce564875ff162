import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Keystore } from '@sallyport/tls/keystore';
import { z } from 'zod';
import type { Identity } from './identity.ts';
import type { StateDirectory } from './state-directory.ts';

/** `certificate.json`: chain (leaf first) and key (PKCS#8) in PEM, one file, so that they can never be of two. */
const stored = z.strictObject({ format: z.literal(1), certificate: z.string(), key: z.string() });

/** In milliseconds since the epoch. */
export type Validity = { notBeforeMs: number; notAfterMs: number };

/** What this agent shows of itself when it connects. */
export type ClientCertificate = Validity & {
  cert: string;
  key: string;
  serialNumber: string;
  /** As its SPIFFE ID names it; undefined in a certificate of another CA. */
  group: string | undefined;
};

const LAST_PART = 1 / 4;
const LONGEST_NOTICE_MS = 30 * 24 * 60 * 60 * 1000;

/**
 * From when on it is told that a certificate is about to expire. The control plane's are renewed when half of their
 * time is over: in the last quarter that has failed for long. Of one that somebody has to replace it is time then.
 */
export function expiringFromMs({ notBeforeMs, notAfterMs }: Validity): number {
  return notAfterMs - Math.min((notAfterMs - notBeforeMs) * LAST_PART, LONGEST_NOTICE_MS);
}

/** Undefined when there is none, or none that is this agent's: another one is asked for then. */
export async function readClientCertificate(
  state: Pick<StateDirectory, 'read'>,
  identity: Pick<Identity, 'agentId'>,
): Promise<ClientCertificate | undefined> {
  const bytes = await state.read('certificate.json');
  try {
    const { certificate, key } = stored.parse(JSON.parse(bytes?.toString('utf8') ?? ''));
    return checked(certificate, key, identity);
  } catch {
    return undefined;
  }
}

/** Keeps a certificate with its key, in place of the one before. */
export async function keepClientCertificate(
  state: Pick<StateDirectory, 'write'>,
  { cert, key }: Pick<ClientCertificate, 'cert' | 'key'>,
): Promise<void> {
  const content: z.infer<typeof stored> = { format: 1, certificate: cert, key };
  await state.write('certificate.json', JSON.stringify(content));
}

/** That of a keystore. */
export function certificateIn({ chain, key, facts }: Keystore): ClientCertificate {
  const { serialNumber, notBefore, notAfter } = facts;
  const validity = { notBeforeMs: notBefore.getTime(), notAfterMs: notAfter.getTime() };
  return { cert: chain, key, serialNumber, group: undefined, ...validity };
}

/**
 * A certificate as it came, with the key that was made for it.
 *
 * @throws Error when it is of another key or another agent
 */
export function checked(
  cert: string,
  key: string,
  { agentId }: Pick<Identity, 'agentId'>,
): ClientCertificate {
  const leaf = new X509Certificate(cert);
  const [, group] = /\/group\/([^/]+)\/agent\/[^/]+$/.exec(leaf.subjectAltName ?? '') ?? [];
  const isOwn = leaf.subjectAltName?.endsWith(`/agent/${agentId}`) === true;
  if (!isOwn || !leaf.checkPrivateKey(createPrivateKey(key)))
    throw new Error('the certificate is of another key or another agent');
  return {
    cert,
    key,
    serialNumber: leaf.serialNumber,
    group,
    notBeforeMs: leaf.validFromDate.getTime(),
    notAfterMs: leaf.validToDate.getTime(),
  };
}
