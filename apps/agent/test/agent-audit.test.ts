import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { AgentEvent } from '@sallyport/contract';
import { localApiSettings } from '../src/local-api-settings.ts';
import { ageState } from './age-state.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { Refusal } from './double/authority.ts';
import { askSocket, enrollWith, startDaemon, until, type Enrolled } from './harness.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'canary-value');
  double.lending.lend('db/root', { value: 'canary-lent', ttlSeconds: 60, maxUses: null });
  enrolled = await enrollWith(double);
});
afterEach(async () => {
  await double.stop();
  await enrolled.home.remove();
});

const told = (): AgentEvent[] => double.reports.flatMap(({ events }) => events);

test('[SG-15] [SG-03] what a program does is told with the place, the version and its request, after a restart at the latest', async () => {
  const narrow = join(enrolled.home.path, 'narrow.sock');
  const localApi = localApiSettings.parse({
    sockets: [{ path: narrow, allow: { secrets: ['db/*'] } }],
  });
  const daemon = await startDaemon({ ...enrolled, localApi });
  await daemon.untilSecret('db/password', 'canary-value');
  const headers = { 'x-request-id': 'shop-1' };
  await askSocket(narrow, '/v1/secrets/db/password', { headers });
  for (const _ of [1, 2, 3]) await askSocket(narrow, '/v1/secrets/db/password');
  await askSocket(narrow, '/v1/config/rate-limit');
  const body = JSON.stringify({ secret: 'db/root' });
  await daemon.ask('/v1/leases', { method: 'POST', headers, body });
  double.failNext('/agent/v1/leases', new Refusal(403, 'lease.outside_window'));
  expect((await daemon.ask('/v1/leases', { method: 'POST', body })).status).toBe(403);
  await daemon.stop();
  const again = await startDaemon(enrolled);
  await until(() => told().some(({ action }) => action === 'agent:stop'));
  await again.stop();

  const at = { listener: narrow };
  const subject = 'secret:db/password';
  for (const expected of [
    { action: 'agent:start', outcome: 'done' },
    { action: 'value:read', subject, requestId: 'shop-1', version: 1, count: 1, application: at },
    { action: 'value:read', subject, requestId: null, version: 1, count: 3, application: at },
    { action: 'value:refuse', outcome: 'refused', code: 'request.not_allowed', application: at },
    { action: 'lease:read', requestId: 'shop-1', application: { listener: enrolled.socket } },
    {
      action: 'value:refuse',
      outcome: 'refused',
      code: 'lease.outside_window',
      application: { listener: enrolled.socket },
    },
  ])
    expect(told()).toContainEqual(
      expect.objectContaining({
        ...expected,
        ...(expected.application === undefined
          ? {}
          : { application: expect.objectContaining(expected.application) }),
      }),
    );
  expect(JSON.stringify(double.reports)).not.toContain('canary');
});

test('[F-03] a refused bundle is told', async () => {
  const first = await startDaemon(enrolled);
  await first.untilHealth(({ durable }) => durable.revision !== null);
  await first.stop();
  await writeFile(join(enrolled.stateDir, 'bundle.json'), '{}', { mode: 0o600 });
  await using _again = await startDaemon(enrolled);
  await until(() => told().some(({ action }) => action === 'bundle:quarantine'));
  expect(told()).toContainEqual(
    expect.objectContaining({ action: 'bundle:quarantine', outcome: 'refused' }),
  );
});

test('[SG-15] [F-05] values that are wiped since nobody confirmed them for too long are told, once', async () => {
  const limit = { maxStaleSeconds: 1800 };
  const first = await startDaemon({ ...enrolled, ...limit });
  await first.untilHealth(({ durable }) => durable.revision !== null);
  await first.stop();
  await ageState(enrolled, 3_600_000);
  const second = await startDaemon({ ...enrolled, ...limit });
  await second.untilSecret('db/password', 'canary-value');
  await second.stop();
  await using _third = await startDaemon({ ...enrolled, ...limit });
  await until(() => told().filter(({ action }) => action === 'agent:stop').length === 2);
  expect(told().filter(({ action }) => action === 'values:wipe')).toEqual([
    expect.objectContaining({ subject: `group:${enrolled.identity.group.name}`, outcome: 'done' }),
  ]);
});
