import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { runProgram } from '../src/cli/program.ts';
import { until, type TestDaemon } from './harness.ts';
import { OfflineHost } from './offline-host.ts';

let host: OfflineHost;
let daemon: TestDaemon;
beforeEach(async () => {
  host = await OfflineHost.imported();
  daemon = await host.run();
});
afterEach(async () => {
  await daemon.stop();
  await host.home.remove();
});

const soon = (ms: number) => new Date(Date.now() + ms).toISOString();
const PATIENCE_MS = 15_000;

describe('[SG-13] while the agent runs,', () => {
  test('an import returns once the new value is served, and a second start serves it from disk', async () => {
    host.group.putSecret('db', 'second');
    expect(await host.import(await host.exported())).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`Imported revision ${host.group.revision}`),
    });
    expect(await daemon.secret('db')).toBe('second');
    await daemon.stop();
    daemon = await host.run();
    expect(await daemon.secret('db')).toBe('second');
    expect(await daemon.health()).toMatchObject({ imported: { error: null } });
  });

  test('an import tells a person at a terminal that the agent takes its time', async () => {
    const silent = createServer();
    const socket = join(host.home.path, 'silent.sock');
    await once(silent.listen(socket), 'listening');
    const file = join(host.home.path, 'stick');
    await writeFile(file, await host.exported());
    const told: string[] = [];
    const write = (text: string) => {
      told.push(text);
      silent.closeAllConnections();
    };
    const ended = runProgram(
      ['bundle', 'import', file, '--state-dir', host.stateDir, '--socket', socket],
      {
        ...{ env: {}, hostname: 'edge-7', stdin: Readable.from(['']), stdout: { write: () => {} } },
        stderr: { isTTY: true, write },
      },
    );
    expect(await ended).not.toBe(0);
    expect(told[0]).toBe('sallyport-agent: waiting for the running agent to take the bundle …\n');
    silent.close();
  });

  test('staleness is told from when the control plane issued it', async () => {
    host.group.putSecret('db', 'second');
    const issuedAt = soon(-1);
    await host.import(await host.exported({ issuedAt }));
    expect(await daemon.health()).toMatchObject({
      status: 'stale',
      staleSince: issuedAt,
      imported: { issuedAt },
    });
  });

  test.each<[string, () => Promise<string>]>([
    ['bundle.wrong_agent', () => host.exported({ agentId: crypto.randomUUID() })],
    ['bundle.older', () => host.exported({ issuedAt: soon(-3_600_000) })],
    ['bundle.expired', () => host.exported({ expiresAt: soon(-1000) })],
    ['bundle.malformed', async () => 'anything'],
    ['bundle.unsigned', async () => `${(await host.exported()).slice(0, -20)}${'A'.repeat(20)}`],
  ])(
    '%s is found again by the daemon itself, which quarantines the file and serves as before',
    async (code, make) => {
      host.group.putSecret('db', 'second');
      await host.leave(await make());
      await until(async () => (await host.quarantined()).includes(`${code}.json`), PATIENCE_MS);
      expect(await daemon.health()).toMatchObject({ imported: { error: code } });
      expect(await daemon.secret('db')).toBe('first');
      expect(Object.keys((await host.state()) ?? {})).not.toContain('incoming.bundle');
      expect(daemon.log).toContainEqual(expect.objectContaining({ level: 'error', code }));
      // What is good is taken all the same afterwards.
      expect(await host.import(await host.exported())).toMatchObject({ code: 0 });
      expect(await daemon.health()).toMatchObject({ imported: { error: null } });
      expect(await daemon.secret('db')).toBe('second');
    },
    30_000,
  );
});

describe('[SG-13] when its time is over,', () => {
  test('what was imported is wiped from memory and disk, under a code of its own, until the next import', async () => {
    host.group.putSecret('db', 'second');
    await host.import(await host.exported({ expiresAt: soon(6_000) }));
    expect(await daemon.secret('db')).toBe('second');
    const report = await until(async () => {
      const found = await daemon.health();
      return found.imported.error !== null && found;
    }, PATIENCE_MS);
    expect(report).toMatchObject({
      status: 'starting',
      entries: 0,
      imported: { error: 'bundle.expired' },
      durable: { revision: null },
    });
    expect(await daemon.secret('db')).toBeUndefined();
    expect(Object.keys((await host.state()) ?? {})).not.toContain('bundle.json');
    expect(daemon.log.filter(({ code }) => code === 'bundle.expired')).toHaveLength(1);
    expect((await host.agent(['status', '--json'])).stdout).toContain('bundle.expired');

    host.group.putSecret('db', 'third');
    expect(await host.import(await host.exported())).toMatchObject({ code: 0 });
    expect(await daemon.secret('db')).toBe('third');
  }, 40_000);

  test('a start serves nothing of it', async () => {
    host.group.putSecret('db', 'second');
    await daemon.stop();
    const expiresAt = soon(3_000);
    await host.import(await host.exported({ expiresAt }));
    daemon = await host.run();
    expect(await daemon.secret('db')).toBe('second');
    await daemon.stop();
    await until(() => Date.now() > Date.parse(expiresAt));
    daemon = await host.run();
    expect(await daemon.secret('db')).toBeUndefined();
    expect(await daemon.health()).toMatchObject({ imported: { error: 'bundle.expired' } });
  }, 20_000);

  test('a note of it that was changed counts as its end', async () => {
    await daemon.stop();
    const note = JSON.parse((await host.state())?.['imported.json'] ?? '');
    const changed = JSON.stringify({ ...note, expiresAtMs: note.expiresAtMs + 1 });
    await writeFile(join(host.stateDir, 'imported.json'), changed, { mode: 0o600 });
    daemon = await host.run();
    expect(await daemon.secret('db')).toBeUndefined();
    expect(daemon.log).toContainEqual(expect.objectContaining({ code: 'high_water.unreadable' }));
    await rm(join(host.stateDir, 'imported.json'));
  });
});
