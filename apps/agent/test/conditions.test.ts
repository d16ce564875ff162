import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, ROOMY, startDaemon, until, type Enrolled } from './harness.ts';
import { runAgent } from './run-agent.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'value');
  enrolled = await enrollWith(double);
});
afterAll(async () => {
  await double.stop();
  await enrolled.home.remove();
});

const status = async () =>
  (await runAgent(['status', '--socket', enrolled.socket, '--state-dir', enrolled.stateDir]))
    .stdout;

test('[AT-46] [F-01] a healthy agent has no condition; one whose control plane goes away says so within its next pull, and is well again', async () => {
  await using daemon = await startDaemon(enrolled);
  await daemon.untilHealth(
    ({ status: is, conditions }) => is === 'ready' && conditions.length === 0,
  );
  await double.stop();
  const { conditions } = await daemon.untilHealth((health) => health.conditions.length === 2);
  expect(conditions.map(({ code }) => code)).toEqual(['stale', 'control_plane_unreachable']);
  expect(await status()).toContain('condition      control plane unreachable');
  await double.start();
  await daemon.untilHealth((health) => health.conditions.length === 0);
});

test('[AT-47] [AT-48] what it is short of is in its status, its metrics and the audit', async () => {
  const resources = { ...ROOMY, maxMemoryMiB: 1 };
  const daemon = await startDaemon({ ...enrolled, resources });
  await daemon.untilHealth((health) =>
    health.conditions.some(({ code }) => code === 'resource_short'),
  );
  const { body } = await daemon.ask('/metrics');
  expect(body).toContain('sallyport_agent_resource_short{resource="memory"} 1');
  expect(body).toContain('sallyport_agent_resource_short{resource="disk"} 0');
  expect(body).toContain('sallyport_agent_condition{condition="resource_short"} 1');
  expect(body).toMatch(/^sallyport_agent_disk_free_bytes [1-9]/m);
  expect(await status()).toContain('resource short (memory)');
  await daemon.stop();
  await using _again = await startDaemon(enrolled);
  await until(() =>
    double.reports.some(({ events }) => events.some(({ action }) => action === 'resource:alarm')),
  );
});
