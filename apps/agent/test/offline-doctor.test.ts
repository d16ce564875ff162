import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { OfflineHost } from './offline-host.ts';
import { runAgent } from './run-agent.ts';

let host: OfflineHost;
afterEach(() => host.home.remove());

test('[SG-13] doctor on a host that never has a network fails by the link alone, with a bundle that is good', async () => {
  host = await OfflineHost.create();
  await host.ask();
  await host.importFirst(await host.exported());
  await using daemon = await host.run();
  await daemon.untilHealth(({ durable }) => durable.revision !== null);
  const where = ['--state-dir', host.stateDir, '--socket', host.socket];
  const { code, stdout } = await runAgent(['doctor', '--json', ...where]);
  const outcomes = JSON.parse(stdout).findings.map((each: { check: string; outcome: string }) => [
    each.check,
    each.outcome,
  ]);
  expect(code).toBe(11);
  expect(outcomes).toContainEqual(['durable bundle', 'ok']);
  const failing = outcomes.filter(([, outcome]: string[]) => outcome === 'failed');
  expect(failing.map(([check]: string[]) => check)).toEqual(['name resolution', 'connection']);
});

describe('[SG-13] doctor between an import and the run that takes it', () => {
  const durable = async () => {
    const where = ['--state-dir', host.stateDir, '--socket', host.socket];
    const { findings } = JSON.parse((await runAgent(['doctor', '--json', ...where])).stdout);
    return findings.find(({ check }: { check: string }) => check === 'durable bundle');
  };

  test('finds that the bundle waits', async () => {
    host = await OfflineHost.imported();
    expect(await durable()).toMatchObject({
      outcome: 'ok',
      detail: expect.stringMatching(/^revision \d+ was imported, good until /),
    });
  });

  test('[F-04] finds one that is older than what has run, also where that is gone', async () => {
    host = await OfflineHost.imported();
    const older = await host.exported();
    host.group.putSecret('db', 'second');
    await using daemon = await host.run();
    await host.import(await host.exported());
    await daemon.stop();
    await rm(join(host.stateDir, 'bundle.json'));
    await host.leave(older);
    expect((await durable()).outcome).toBe('failed');
    await host.leave(await host.exported());
    expect((await durable()).outcome).toBe('ok');
  });

  test('finds a bundle that would not be taken', async () => {
    host = await OfflineHost.imported();
    await host.leave(`${await host.exported()}x`);
    expect((await durable()).outcome).toBe('failed');
    await rm(join(host.stateDir, 'incoming.bundle'));
    expect((await durable()).outcome).toBe('warning');
  });
});
