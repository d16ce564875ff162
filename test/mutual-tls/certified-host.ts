import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createdEnrollmentToken } from '@sallyport/contract';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { HttpsLink } from '@sallyport/tls/https-link';
import { Agent } from '../../apps/agent/src/agent.ts';
import { systemClock, type Clock } from '../../apps/agent/src/clock.ts';
import { Credentials } from '../../apps/agent/src/link/credentials.ts';
import { enroll } from '../../apps/agent/src/link/enroll.ts';
import { silentLog } from '../../apps/agent/src/log.ts';
import { Generations } from '../../apps/agent/src/state/generations.ts';
import { loadIdentity } from '../../apps/agent/src/state/identity.ts';
import { StateDirectory } from '../../apps/agent/src/state/state-directory.ts';
import type { TestControlPlane } from '../../apps/control-plane/test/control-plane.ts';
import type { OperatorClient } from '../../apps/control-plane/test/operator-client.ts';

/** An agent that is in this process, with a state directory of its own, and opens sessions by certificate. */
export class CertifiedHost {
  readonly #home: TempDirectory;
  readonly state: StateDirectory;
  /** How far the agent's monotonic clock is ahead, as after a sleep. */
  sleptMs = 0;
  /** How far its wall clock is ahead. */
  aheadMs = 0;
  agent: Agent | undefined;

  private constructor(home: TempDirectory, state: StateDirectory) {
    this.#home = home;
    this.state = state;
  }

  /** Enrols one in a group, which is there. */
  static async enrolled(
    owner: OperatorClient,
    group: string,
    { agentApp, caCertificate }: TestControlPlane,
  ): Promise<CertifiedHost> {
    const home = await createTempDirectory('certified');
    const state = await StateDirectory.open(join(home.path, 'state'));
    const created = await owner.call('POST', `/groups/${group}/enrollment-tokens`, {});
    const { token } = createdEnrollmentToken.parse(created.body);
    const { port } = new URL(agentApp.listeningOrigin);
    const controlPlane = `https://localhost:${port}`;
    const link = new HttpsLink({ baseUrl: controlPlane, ca: caCertificate });
    await enroll({
      state,
      link,
      controlPlane,
      trustAnchor: caCertificate,
      certified: true,
      token,
      name: 'host',
      force: false,
      clock: systemClock,
    });
    link.close();
    return new CertifiedHost(home, state);
  }

  /** Starts the agent, as its daemon would; `byCertificate` is what its configuration asks for. */
  async start(byCertificate = true): Promise<Agent> {
    const { state } = this;
    const identity = await loadIdentity(state);
    const clock: Clock = {
      ...systemClock,
      now: () => systemClock.now() + this.aheadMs,
      monotonic: () => systemClock.monotonic() + this.sleptMs,
    };
    const trust = { from: 'enrolment', certificates: identity.trustAnchors } as const;
    const parts = { state, identity, trust, clock, random: () => 0, log: silentLog };
    const credentials = await Credentials.open(parts, byCertificate);
    const link = new HttpsLink({ baseUrl: identity.controlPlane, ...credentials.tls });
    credentials.attach(link);
    const generations = new Generations(state);
    const { log } = parts;
    this.agent = new Agent({ identity, link, clock, log, credentials, generations });
    this.agent.start();
    return this.agent;
  }

  async stop(): Promise<void> {
    await this.agent?.stop();
    this.agent = undefined;
  }

  /** The certificate and its key, as they are on disk. */
  async certificate(): Promise<string> {
    return readFile(this.state.join('certificate.json'), 'utf8');
  }

  async identity(): Promise<unknown> {
    return JSON.parse(await readFile(this.state.join('identity.json'), 'utf8'));
  }

  async end(): Promise<void> {
    await this.stop();
    this.state[Symbol.dispose]();
    await this.#home.remove();
  }
}
