import type { Environment } from '@sallyport/config/load';
import type { LinkStores } from '@sallyport/tls/link-stores';
import type { Clock } from '../clock.ts';
import type { AgentConfig } from '../config.ts';
import { openOwnStores } from '../link/own-stores.ts';
import { verifyLink, type LinkReport } from '../link/verify.ts';
import { listens } from '../listen-settings.ts';
import type { ClientCertificate } from '../state/client-certificate.ts';
import { loadIdentity, type Identity } from '../state/identity.ts';
import { StateDirectory, type StateView } from '../state/state-directory.ts';
import { shownCertificate } from '../state/view-identity.ts';
import { Blocked, Dialled } from './finding.ts';

/** What the checks look at, each part looked at once. */
export class Host {
  readonly config: AgentConfig;
  /** That of this process. */
  readonly env: Environment;
  readonly clock: Pick<Clock, 'now'>;
  #state: Promise<StateView | undefined> | undefined;
  #identity: Promise<Identity> | undefined;
  #stores: Promise<LinkStores | undefined> | undefined;
  #link: Promise<LinkReport> | undefined;

  constructor(config: AgentConfig, env: Environment, clock: Pick<Clock, 'now'>) {
    this.config = config;
    this.env = env;
    this.clock = clock;
  }

  /** The directory’s own check asks for this: undefined when it is not there. @throws AgentError `state.*` */
  openState(): Promise<StateView | undefined> {
    return (this.#state ??= StateDirectory.view(this.config.stateDir));
  }

  /** @throws Blocked */
  async state(): Promise<StateView> {
    const state = await this.openState().catch(() => undefined);
    if (state === undefined) throw new Blocked('the state directory');
    return state;
  }

  /** The identity’s own check asks for this. @throws AgentError `identity.*`, Blocked */
  openIdentity(): Promise<Identity> {
    return (this.#identity ??= this.state().then(loadIdentity));
  }

  /** @throws Blocked */
  identity(): Promise<Identity> {
    return unless(this.openIdentity(), 'the identity');
  }

  /** @throws AgentError `usage.invalid`, LinkError `proxy.bad_url`, Blocked */
  openLink(): Promise<LinkReport> {
    const { config, clock } = this;
    if (listens(config.listen)) throw new Dialled();
    return (this.#link ??= this.identity().then(async (identity) =>
      verifyLink({
        identity,
        certificate: await this.certificate(),
        stores: await this.stores(),
        config,
        clock,
      }),
    ));
  }

  /** Of controlPlane. @throws Blocked; why is for the check of the files to tell */
  stores(): Promise<LinkStores | undefined> {
    return (this.#stores ??= unless(openOwnStores(this.config), 'the files'));
  }

  /** What the agent shows of itself, if it does. @throws Blocked */
  async certificate(): Promise<ClientCertificate | undefined> {
    const [state, identity] = [await this.state(), await this.identity()];
    return shownCertificate(state, identity, this.config, await this.stores());
  }
}

async function unless<Value>(wanted: Promise<Value>, name: string): Promise<Value> {
  return wanted.catch(() => {
    throw new Blocked(name);
  });
}
