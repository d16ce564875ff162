import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createdEnrollmentToken } from '@sallyport/contract';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { startProcess } from '@sallyport/testkit/process';
import { makeAuthority } from '@sallyport/tls/test/authority';
import { startHttpProxy, startSocks5Proxy } from '@sallyport/tls/test/proxies';
import { ClosedNetwork, whyWithoutNetworks, WITHOUT_NETWORK } from '../fixtures/closed-network.ts';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';
import { outcomeOf } from '../fixtures/program.ts';

/** The proxy alone resolves it. */
const HOST = 'cp.invalid';
const demo = pathToFileURL(join(import.meta.dirname, '../../tools/demo/application.ts'));

/** What an application sees: the secret by the agent's socket, and the error of a connection to the control plane. */
const APPLICATION = `
  const { readLocally, valueOf } = await import(${JSON.stringify(demo)});
  const [socket, host, port] = process.argv.slice(1);
  const { connect } = await import('node:net');
  const direct = await new Promise((resolve) => connect(port, host)
    .on('connect', function () { this.destroy(); resolve('connected'); })
    .on('error', ({ code }) => resolve(code)));
  const secret = valueOf(await readLocally(socket, '/v1/secrets/s'));
  console.log(JSON.stringify({ secret, direct }));
`;

const why = whyWithoutNetworks();

(why === undefined ? describe : describe.skip)(titleOrLeftOut('a closed network', why), () => {
  let network: ClosedNetwork;
  let installation: Installation;
  let replica: Replica;
  let owner: Operator;
  let host: Host;
  let port: string;
  const ended = new AsyncDisposableStack();

  beforeAll(async () => {
    network = ended.use(await ClosedNetwork.create());
    installation = await Installation.create();
    ended.defer(() => installation.end());
    const environment = await installation.replicaEnvironment('control-plane');
    port = environment['SALLYPORT_AGENT_API_PORT'] ?? '';
    replica = await installation.restart({
      environment: {
        ...environment,
        SALLYPORT_AGENT_API_HOST: network.beyond,
        SALLYPORT_AGENT_API_PUBLIC_URL: `https://${HOST}:${port}`,
        SALLYPORT_PUBLIC_HOSTS: `127.0.0.1,${HOST}`,
      },
    });
    owner = await installation.signIn(replica);
    await owner.do('POST', '/groups', { name: 'plant-7' });
    await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'before' });
  }, 60_000);

  afterAll(() => ended.disposeAsync());

  async function enroll(env: Record<string, string>): Promise<void> {
    const made = await owner.do('POST', '/groups/plant-7/enrollment-tokens', {});
    const { token } = createdEnrollmentToken.parse(made.body);
    await host.enroll({ ...replica, agentUrl: `https://${HOST}:${port}` }, token, env);
  }

  const application = async (within: readonly string[]): Promise<unknown> => {
    const script = [process.execPath, '--input-type=module', '-e', APPLICATION];
    const running = startProcess({
      command: [...within, ...script, host.socket, network.beyond, port],
    });
    const { code, stdout, stderr } = await outcomeOf(running);
    if (code !== 0) throw new Error(`the application exited ${code}: ${stderr}`);
    return JSON.parse(stdout);
  };

  test('[AX-14] no agent enrols from there directly, neither by the name nor by the address', async () => {
    host = installation.host('direct', network.within);
    await expect(enroll({})).rejects.toThrow(/cp\.invalid.* does not resolve/);
    const address = { SALLYPORT_AGENT_CONTROL_PLANE_ADDRESS: network.beyond };
    await expect(enroll(address)).rejects.toThrow(/cannot be reached/);
  });

  test.each(['http', 'https', 'socks5h'])(
    '[AX-14] [AX-15] [AT-37] [AT-38] through a proxy of %s an agent enrols, gets secrets, and asks for no other host',
    async (kind) => {
      const allowed = [`${HOST}:${port}`];
      const options = { address: network.gateway, hosts: { [HOST]: network.beyond }, allowed };
      const authority = await makeAuthority('CN=CA of the proxy');
      const identity = await authority.issue({ addresses: [network.gateway] });
      const proxy = ended.use(
        await (kind === 'socks5h'
          ? startSocks5Proxy(options)
          : startHttpProxy(options, kind === 'https' ? identity : undefined)),
      );
      const caFile = join(installation.folder, `${kind}.pem`);
      await writeFile(caFile, authority.ca);
      const throughProxy = {
        SALLYPORT_AGENT_PROXY_URL: `${kind}://${network.gateway}:${proxy.port}`,
        SALLYPORT_AGENT_PROXY_CA: caFile,
      };
      host = installation.host(kind, network.within);
      await enroll(throughProxy);
      await host.run(throughProxy);
      await host.untilSecret('s', 'before');
      await owner.do('PUT', '/groups/plant-7/secrets/s', { value: kind });
      await host.untilSecret('s', kind);
      await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'before' });
      await host.untilSecret('s', 'before');
      expect([...new Set(proxy.destinations)]).toEqual(allowed);
    },
    60_000,
  );

  test('[SG-02] an application without any network reads the secret by the agent’s socket, and reaches nothing else', async () => {
    expect(await application(WITHOUT_NETWORK)).toEqual({
      secret: 'before',
      direct: 'ENETUNREACH',
    });
    expect(await application(network.within)).toMatchObject({ direct: 'ENETUNREACH' });
    // The address is one that answers: it is the network that does not lead there.
    expect(await application([])).toMatchObject({ direct: 'connected' });
  });
});
