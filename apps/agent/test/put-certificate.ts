import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Issuer, type LeafOptions } from '@sallyport/tls/test/issuer';
import type { Enrolled } from './harness.ts';

/** Puts a client certificate of the enrolled agent, or of another, into its directory. */
export async function putCertificate(
  { stateDir, identity }: Pick<Enrolled, 'stateDir' | 'identity'>,
  { agentId = identity.agentId, ...given }: LeafOptions & { agentId?: string },
): Promise<void> {
  const issuer = await Issuer.root();
  const value = `spiffe://sallyport/group/plant-7/agent/${agentId}`;
  const { chain, key } = await issuer.leaf({ names: [{ type: 'url', value }], ...given });
  const content = { format: 1, certificate: chain, key };
  await writeFile(join(stateDir, 'certificate.json'), JSON.stringify(content), { mode: 0o600 });
}
