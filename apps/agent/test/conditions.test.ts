import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { agentConfig } from '../src/config.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, ROOMY, startDaemon, until, type Enrolled } from './harness.ts';
import { putCertificate } from './put-certificate.ts';
import { vaultSubject } from './references/subjects.ts';
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

test('[AT-46] [AT-47] [F-01] an identity that is not renewed is expiring, and has expired as soon as it has; what runs short meanwhile is told within the period', async () => {
  // Certificates have whole seconds.
  const endMs = Math.ceil(Date.now() / 1_000 + 14) * 1_000;
  const validity = { notBefore: new Date(endMs - 60_000), notAfter: new Date(endMs) };
  await putCertificate(enrolled, validity);
  await using _back = { [Symbol.asyncDispose]: () => double.start() };
  await double.stop();
  const resources = { ...ROOMY };
  await using daemon = await startDaemon({ ...enrolled, authentication: 'certificate', resources });
  await daemon.untilHealth((health) => health.resources.freeDiskBytes !== null);
  // The agent has looked, and is to look again: to it the disk is full from now on.
  resources.minFreeDiskMiB = 1e12;
  const told = async () => (await daemon.health()).conditions.map(({ code }) => code);
  expect(await told()).toContain('identity_expiring');
  expect(await status()).toMatch(/^condition +identity expiring/m);
  await until(async () => (await told()).includes('identity_expired'), 20_000);
  expect(Date.now()).toBeGreaterThanOrEqual(endMs);
  expect(await told()).not.toContain('identity_expiring');
  await until(async () => (await told()).includes('resource_short'), 20_000);
});

test('[AT-46] a provider that fails is told with the reply that it failed, and no more once it answers', async () => {
  await using vault = await vaultSubject();
  await vault.put('db', 'value');
  double.putReference('db/looked-up', vault.uriOf('db'));
  const { references } = agentConfig.parse({ references: vault.settings });
  await using daemon = await startDaemon({ ...enrolled, references });
  const ask = async () => (await daemon.ask('/v1/secrets/db/looked-up')).status;
  await daemon.untilHealth(({ status: is }) => is === 'ready');
  vault.peer?.failAll({ status: 500 });
  expect(await ask()).toBe(503);
  expect((await daemon.health()).conditions).toEqual([
    { code: 'provider_failing', detail: 'vault: reference.unreachable' },
  ]);
  vault.peer?.failAll(undefined);
  await until(async () => (await ask()) === 200);
  expect((await daemon.health()).conditions).toEqual([]);
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
