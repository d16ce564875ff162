import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { ISOLATED } from '@sallyport/testkit/proxy-program';
import { until } from './harness.ts';
import { HOST, HostBehindProxy } from './host-behind-proxy.ts';
import { agentCommand } from './run-agent.ts';

/** The command that follows has this file for its /etc/hosts. */
const WITH_HOSTS = 'mount --bind "$1" /etc/hosts && shift && exec "$@"';

function whyWithoutHosts(): string | undefined {
  const [program, ...args] = [...ISOLATED, 'sh', '-c', WITH_HOSTS, 'sh', '/etc/hosts', 'true'];
  return spawnSync(program, args).status === 0 ? undefined : 'namespaces cannot be made here';
}

const why = whyWithoutHosts();

let site: HostBehindProxy;
beforeEach(async () => {
  site = await HostBehindProxy.create();
});
afterEach(() => site[Symbol.asyncDispose]());
afterAll(expectNoLeftovers);

(why === undefined ? describe : describe.skip)(
  titleOrLeftOut('an agent that resolves its control plane’s name itself', why),
  () => {
    test('[AT-38] follows a changed answer while it runs', async () => {
      const { double, host } = site;
      const pinned = { SALLYPORT_AGENT_CONTROL_PLANE_ADDRESS: '127.0.0.1' };
      expect((await site.enroll(pinned)).code).toBe(0);
      const hosts = join(host.home.path, 'hosts');
      await writeFile(hosts, `127.0.0.9 ${HOST}\n`);
      double.received.length = 0;
      const agent = startProcess({
        command: [...ISOLATED, 'sh', '-c', WITH_HOSTS, 'sh', hosts, ...agentCommand, 'run'],
        env: { SALLYPORT_AGENT_STATE_DIR: host.stateDir },
      });
      try {
        await agent.waitForLine(/link\.refused/);
        expect(double.received).toEqual([]);
        // In place: another file of this name would not be what is mounted.
        await writeFile(hosts, `127.0.0.1 ${HOST}\n`);
        await until(() => double.waitingPulls === 1);
      } finally {
        agent.kill('SIGKILL');
        await agent.exited;
      }
    });
  },
);
