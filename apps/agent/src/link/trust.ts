import { readFile } from 'node:fs/promises';
import { KeystoreError } from '@sallyport/tls/keystore-error';
import { AgentError } from '../agent-error.ts';
import type { AgentConfig } from '../config.ts';
import type { Identity } from '../state/identity.ts';
import { codeOf } from '../state/system-error.ts';

/**
 * Whose certificates the control plane may show. `system`: of any CA that the runtime and the host trust, and
 * `certificates` is empty.
 */
export type Trust = { from: 'file' | 'enrolment' | 'system'; certificates: readonly string[] };

/**
 * The file of controlPlane.ca alone, where it is set; else what the enrolment was made with.
 *
 * @throws AgentError `usage.invalid` for a controlPlane.ca that cannot be used
 */
export async function trustFor(
  { trustAnchors }: Pick<Identity, 'trustAnchors'>,
  { controlPlane }: Pick<AgentConfig, 'controlPlane'>,
): Promise<Trust> {
  if (controlPlane.ca !== undefined)
    return { from: 'file', certificates: await readCa(controlPlane.ca) };
  const from = trustAnchors.length === 0 ? 'system' : 'enrolment';
  return { from, certificates: trustAnchors };
}

/** What a link is to be given as its `ca`. */
export function caOf({ certificates }: Pick<Trust, 'certificates'>): string | undefined {
  return certificates.length === 0 ? undefined : certificates.join('\n');
}

/** @throws AgentError `usage.invalid` */
export async function readCa(path: string): Promise<string[]> {
  try {
    // It brings the readers of every keystore format, which an agent without such a file starts sooner without.
    const { readTruststore } = await import('@sallyport/tls/truststore');
    return await readTruststore(await readFile(path), { type: 'pem' });
  } catch (cause) {
    const isRead = cause instanceof KeystoreError;
    throw new AgentError(
      'usage.invalid',
      `the file of controlPlane.ca cannot be used (${isRead ? cause.code : codeOf(cause)})`,
      {
        advice: isRead
          ? cause.message
          : 'make it the PEM file of the CA that the control plane’s certificate is from',
        cause,
      },
    );
  }
}
