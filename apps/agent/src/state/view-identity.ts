import type { AgentConfig } from '../config.ts';
import { readClientCertificate, type ClientCertificate } from './client-certificate.ts';
import { loadIdentity, noIdentity, type Identity } from './identity.ts';
import { StateDirectory, type StateView } from './state-directory.ts';

/** Who the agent is and what it shows of itself, of a directory that it may be running in. @throws AgentError `state.*`, `identity.*` */
export async function viewIdentity(
  config: Pick<AgentConfig, 'stateDir' | 'authentication'>,
): Promise<{ identity: Identity; certificate: ClientCertificate | undefined }> {
  const state = await StateDirectory.view(config.stateDir);
  if (state === undefined) throw noIdentity(config.stateDir);
  const identity = await loadIdentity(state);
  return { identity, certificate: await shownCertificate(state, identity, config) };
}

/** The client certificate that is on disk, where sessions are opened with it. */
export async function shownCertificate(
  state: StateView,
  identity: Identity,
  { authentication }: Pick<AgentConfig, 'authentication'>,
): Promise<ClientCertificate | undefined> {
  return authentication === 'certificate' ? readClientCertificate(state, identity) : undefined;
}
