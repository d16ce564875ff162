import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeAuthority, type Authority } from '@sallyport/tls/test/authority';
import type { ProxySettings } from '../src/proxy-settings.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { startDaemon, type TestDaemon } from './harness.ts';
import { NewHost } from './new-host.ts';
import type { Outcome } from './run-agent.ts';

/** A name that the tests' proxies alone resolve: without one, the control plane cannot be reached. */
export const HOST = 'cp.invalid';

/** A host that needs a proxy to reach its control plane, whose group has one secret, `db/password`. */
export class HostBehindProxy implements AsyncDisposable {
  readonly double: ControlPlaneDouble;
  readonly host: NewHost;
  readonly proxyAuthority: Authority;
  readonly caFile: string;
  /** What ends before the host does, the last first. */
  readonly open: AsyncDisposable[] = [];

  private constructor(double: ControlPlaneDouble, host: NewHost, proxyAuthority: Authority) {
    this.double = double;
    this.host = host;
    this.proxyAuthority = proxyAuthority;
    this.caFile = join(host.home.path, 'proxy-ca.pem');
  }

  static async create(): Promise<HostBehindProxy> {
    const double = await ControlPlaneDouble.start();
    double.host = HOST;
    double.putSecret('db/password', 'first');
    const authority = await makeAuthority('CN=CA of the proxy');
    const made = new HostBehindProxy(double, await NewHost.create(double), authority);
    await writeFile(made.caFile, authority.ca);
    return made;
  }

  /** Enrols with these settings in the environment, as an operator gives them. */
  enroll(env: Record<string, string>): Promise<Outcome> {
    return this.host.enrollWith({ SALLYPORT_AGENT_PROXY_CA: this.caFile, ...env });
  }

  async run(settings: ProxySettings): Promise<TestDaemon> {
    const { stateDir, home } = this.host;
    const proxy = { ca: this.caFile, ...settings };
    const daemon = await startDaemon({ stateDir, socket: join(home.path, 'agent.sock'), proxy });
    this.open.push(daemon);
    return daemon;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const resource of this.open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
    await this.double.stop();
    await this.host.home.remove();
  }
}
