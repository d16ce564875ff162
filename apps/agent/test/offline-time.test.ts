import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { HttpsLink } from '@sallyport/tls/https-link';
import { Agent } from '../src/agent.ts';
import { systemClock } from '../src/clock.ts';
import { silentLog } from '../src/log.ts';
import { ImportedBundles } from '../src/offline/imported-bundles.ts';
import { DurableStore } from '../src/state/durable-store.ts';
import { loadIdentity, type Identity } from '../src/state/identity.ts';
import { StateDirectory } from '../src/state/state-directory.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { exportFrom } from './double/offline.ts';
import { enrollWith, until, type Enrolled } from './harness.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** A host’s two clocks: the one that can be set, and the one that cannot. */
class HostClock {
  wallMs = Date.now();
  #monotonicMs = 0;
  readonly now = () => this.wallMs;
  readonly monotonic = () => this.#monotonicMs;
  pass(ms: number): void {
    this.wallMs += ms;
    this.#monotonicMs += ms;
  }
}

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let clock: HostClock;
let state: StateDirectory;
let identity: Identity;
let agent: Agent;
let imports: ImportedBundles;
/** The newest bundle that was brought. */
let brought: string;

beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db', 'carried');
  enrolled = await enrollWith(double);
  clock = new HostClock();
  await start();
});
afterEach(async () => {
  await stop();
  await double.stop();
  await enrolled.home.remove();
});

/** What the daemon puts together, by this clock. */
async function start(): Promise<void> {
  state = await StateDirectory.open(enrolled.stateDir);
  identity = await loadIdentity(state);
  const durableStore = new DurableStore(state, identity.highWaterKey, clock, silentLog);
  const link = new HttpsLink({ baseUrl: double.url, ca: double.ca });
  agent = new Agent({
    identity,
    link,
    durableStore,
    clock: { ...systemClock, now: clock.now, monotonic: clock.monotonic },
  });
  const events = { record: () => {} };
  imports = new ImportedBundles({
    state,
    identity,
    agent,
    durableStore,
    events,
    clock,
    log: silentLog,
  });
  await agent.restore();
  await imports.look();
}

async function stop(): Promise<void> {
  await agent.stop();
  state[Symbol.dispose]();
}

/** A bundle of one day is brought now, and taken. */
async function bring(): Promise<void> {
  const admitted = {
    agentId: identity.agentId,
    name: identity.name,
    encryptionKey: identity.encryptionKey.publicJwk,
  };
  const times = {
    issuedAt: new Date(clock.wallMs).toISOString(),
    expiresAt: new Date(clock.wallMs + DAY_MS).toISOString(),
  };
  brought = await exportFrom(double.group, admitted, times);
  await writeFile(join(enrolled.stateDir, 'incoming.bundle'), brought, { mode: 0o600 });
  await imports.look();
}

const holds = () => agent.cache.revision() !== undefined;

/** Not a millisecond sooner. */
async function expectEndAfter(ms: number): Promise<void> {
  clock.pass(ms - 1);
  await imports.look();
  expect(holds()).toBe(true);
  clock.pass(1);
  await imports.look();
  expect(holds()).toBe(false);
}

describe('[SG-13] the end of an imported bundle', () => {
  test('comes at its time, by the clock of the host', async () => {
    await bring();
    await expectEndAfter(DAY_MS);
    expect(imports.state()).toMatchObject({ error: 'bundle.expired' });
  });

  test('comes no later when the clock is set back while the agent runs', async () => {
    await bring();
    clock.wallMs -= 300 * DAY_MS;
    await expectEndAfter(DAY_MS);
  });

  test('comes at most five minutes later when it is set back while the agent is stopped', async () => {
    await bring();
    for (let passed = 0; passed < DAY_MS / 2; passed += MINUTE_MS * 10) {
      clock.pass(MINUTE_MS * 10);
      await imports.look();
    }
    await stop();
    clock.wallMs -= 300 * DAY_MS;
    await start();
    expect(holds()).toBe(true);
    clock.pass(DAY_MS / 2 + 5 * MINUTE_MS);
    await imports.look();
    expect(holds()).toBe(false);
  });

  test('is none once the control plane was reached, which a start remembers', async () => {
    await bring();
    agent.start();
    await until(() => agent.contact.confirmations > 0);
    await imports.look();
    expect(imports.state()).toMatchObject({ expiresAtMs: null });
    await stop();
    clock.pass(2 * DAY_MS);
    await start();
    expect(holds()).toBe(true);
    expect(imports.state().error).toBeUndefined();
  });
});

describe('[SG-13] what is brought', () => {
  test('is not served while its end cannot be kept on disk, and is taken once it can', async () => {
    const inTheWay = join(enrolled.stateDir, 'imported.json.tmp');
    await mkdir(inTheWay);
    await bring();
    expect(holds()).toBe(false);
    expect(await readdir(enrolled.stateDir)).toContain('incoming.bundle');
    await rmdir(inTheWay);
    await imports.look();
    expect(holds()).toBe(true);
    expect(await readdir(enrolled.stateDir)).not.toContain('incoming.bundle');
  });

  test('and is there again after a crash is taken again, which changes nothing', async () => {
    await bring();
    const bundle = await readFile(join(enrolled.stateDir, 'bundle.json'));
    await stop();
    clock.pass(MINUTE_MS);
    await writeFile(join(enrolled.stateDir, 'incoming.bundle'), brought, { mode: 0o600 });
    await start();
    expect(imports.state().error).toBeUndefined();
    expect(await readFile(join(enrolled.stateDir, 'bundle.json'))).toEqual(bundle);
    expect(await readdir(enrolled.stateDir)).not.toContain('incoming.bundle');
  });
});
