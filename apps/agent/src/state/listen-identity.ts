import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { makeSelfSigned } from '@sallyport/tls/self-signed';
import { z } from 'zod';
import { AgentError } from '../agent-error.ts';
import type { StateDirectory } from './state-directory.ts';

/** `listen-identity.json`: key and certificate in one file, so that they can never be of two. PEM both. */
const storedListenIdentity = z.strictObject({
  format: z.literal(1),
  certificate: z.string(),
  key: z.string(),
});

/** PEM both; the certificate is its own chain. */
export type ListenIdentity = { chain: string; key: string };

/**
 * The self-signed certificate by which a control plane knows this agent, for these host names and addresses;
 * made when there is none. It outlives an enrolment, since links pin it.
 *
 * @throws AgentError `identity.unreadable` for a damaged file, `state.*`
 */
export async function selfSignedIdentity(
  state: StateDirectory,
  hosts: readonly string[],
  nowMs: number,
): Promise<ListenIdentity> {
  const bytes = await state.read('listen-identity.json');
  if (bytes !== undefined) return parseStored(bytes, state.join('listen-identity.json'));
  const { cert, key } = await makeSelfSigned(hosts, nowMs);
  const stored = { format: 1, certificate: cert, key } as const;
  await state.write('listen-identity.json', JSON.stringify(stored));
  return { chain: cert, key };
}

/** Those of `hosts` that a certificate is not for. */
export function hostsNotIn(cert: string, hosts: readonly string[]): string[] {
  const certificate = new X509Certificate(cert);
  return hosts.filter((host) =>
    isIP(host) === 0 ? !certificate.checkHost(host) : !certificate.checkIP(host),
  );
}

function parseStored(bytes: Buffer, path: string): ListenIdentity {
  try {
    const { certificate, key } = storedListenIdentity.parse(JSON.parse(bytes.toString('utf8')));
    return { chain: new X509Certificate(certificate).toString(), key };
  } catch {
    // The cause is left out: it could quote the file, which holds a private key.
    throw new AgentError('identity.unreadable', `${path} is damaged or of another version`, {
      advice: 'restore it from a backup, or remove it and pin the new certificate in the link',
    });
  }
}
