import type { Keystore } from '@sallyport/tls/keystore';
import type { AgentConfig } from '../config.ts';
import {
  certificateIn,
  readClientCertificate,
  type ClientCertificate,
} from './client-certificate.ts';
import { loadIdentity, noIdentity, type Identity } from './identity.ts';
import { StateDirectory, type StateView } from './state-directory.ts';

/** Of the files that are set. */
type Stores = { keystore?: Keystore | undefined };

/** Who the agent is and what it shows of itself, of a directory that it may be running in. @throws AgentError `state.*`, `identity.*` */
export async function viewIdentity(
  config: Pick<AgentConfig, 'stateDir' | 'authentication'>,
  stores?: Stores,
): Promise<{ identity: Identity; certificate: ClientCertificate | undefined }> {
  const state = await StateDirectory.view(config.stateDir);
  if (state === undefined) throw noIdentity(config.stateDir);
  const identity = await loadIdentity(state);
  return { identity, certificate: await shownCertificate(state, identity, config, stores) };
}

/** The client certificate of the keystore or, where none is set, that of the state directory, where sessions are opened with it. */
export async function shownCertificate(
  state: StateView,
  identity: Identity,
  { authentication }: Pick<AgentConfig, 'authentication'>,
  stores?: Stores,
): Promise<ClientCertificate | undefined> {
  if (authentication !== 'certificate') return undefined;
  const own = stores?.keystore;
  return own === undefined ? readClientCertificate(state, identity) : certificateIn(own);
}
