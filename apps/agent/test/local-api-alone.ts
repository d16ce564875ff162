import { HttpsLink } from '@sallyport/tls/https-link';
import { Agent, type AgentParts } from '../src/agent.ts';
import { localApiSettings } from '../src/local-api-settings.ts';
import { LocalApi, type LocalApiParts } from '../src/local-api/server.ts';
import { silentLog } from '../src/log.ts';
import { importIdentity } from '../src/state/identity.ts';
import type { ControlPlaneDouble } from './control-plane-double.ts';
import { until, type Enrolled } from './harness.ts';

/** An agent that has everything, and its local API, without a daemon around them and its timers. */
export class LocalApiAlone implements AsyncDisposable {
  readonly api: LocalApi;
  readonly agent: Agent;

  private constructor(api: LocalApi, agent: Agent) {
    this.api = api;
    this.agent = agent;
  }

  static async start(
    double: ControlPlaneDouble,
    enrolled: Enrolled,
    parts: Partial<LocalApiParts> & Pick<LocalApiParts, 'socket'>,
    ofAgent: Pick<AgentParts, 'clock' | 'freshness'> = {},
  ): Promise<LocalApiAlone> {
    const identity = await importIdentity(enrolled.identity);
    const link = new HttpsLink({ baseUrl: double.url, ca: double.ca });
    const agent = new Agent({ identity, link, ...ofAgent });
    const api = await LocalApi.listen({
      agent,
      identity,
      tls: () => link.tlsParameters(),
      authentication: 'key',
      fileProblems: () => [],
      identityValidity: () => undefined,
      durable: () => ({ revision: undefined, bytes: 0, error: undefined }),
      files: () => [],
      socketMode: 0o600,
      localApi: localApiSettings.parse({}),
      log: silentLog,
      ...parts,
    });
    agent.start();
    await until(() => agent.cache.revision()?.complete === true);
    return new LocalApiAlone(api, agent);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api.close();
    await this.agent.stop();
  }
}
