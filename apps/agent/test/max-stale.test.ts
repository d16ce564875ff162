import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { HttpsLink } from '@sallyport/tls/https-link';
import { Agent } from '../src/agent.ts';
import { systemClock, type Clock } from '../src/clock.ts';
import { importIdentity } from '../src/state/identity.ts';
import { ageState } from './age-state.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, startDaemon, until, type Enrolled } from './harness.ts';
import { runAgentProcess } from './run-agent.ts';

const HOUR_MS = 3_600_000;
const LIMIT = { maxStaleSeconds: 1800 };

let double: ControlPlaneDouble;
let enrolled: Enrolled;
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('name', 'kept');
  enrolled = await enrollWith(double);
});
afterEach(async () => {
  await double.stop();
  await enrolled.home.remove();
});

async function runOnce(): Promise<void> {
  await using daemon = await startDaemon(enrolled);
  await daemon.untilHealth(({ durable }) => durable.revision !== null);
}

describe('[F-05] values that were not confirmed for longer than maxStaleSeconds', () => {
  beforeEach(async () => {
    await runOnce();
    await ageState(enrolled, HOUR_MS);
  });

  test('are not served from disk, and the agent exits 12 once the control plane is not reached', async () => {
    await double.stop();
    const { stateDir, socket } = enrolled;
    const outcome = await runAgentProcess(['run', '--state-dir', stateDir, '--socket', socket], {
      SALLYPORT_AGENT_MAX_STALE_SECONDS: '1800',
    });
    expect(outcome.code).toBe(12);
    expect(outcome.stderr).toMatch(/^sallyport-agent: .*1800 s of maxStaleSeconds — start/m);
    const log = outcome.stderr.split('\n').filter((line) => line.startsWith('{'));
    const messages = log.map((line) => String(JSON.parse(line).msg));
    const wiped = messages.findIndex((message) => message.includes('wiped from memory'));
    // Before the socket is there, so that nobody reads in between.
    expect(wiped).toBeGreaterThan(-1);
    expect(wiped).toBeLessThan(messages.indexOf('listening'));
  });

  test('are fetched anew where the control plane is reached, and the agent goes on', async () => {
    await using daemon = await startDaemon({ ...enrolled, ...LIMIT });
    expect(daemon.log).toContainEqual(expect.objectContaining({ code: 'values.too_old' }));
    await daemon.untilSecret('name', 'kept');
    expect(await daemon.untilHealth(({ status }) => status === 'ready')).toBeTruthy();
  });

  test('are served all the same where no limit is set, and within it', async () => {
    await double.stop();
    for (const settings of [{}, { maxStaleSeconds: 7200 }]) {
      await using daemon = await startDaemon({ ...enrolled, ...settings });
      expect(await daemon.secret('name')).toBe('kept');
    }
  });
});

/** This host’s clock, and how long it is said to have slept. */
function sleeper(): { clock: Clock; sleepFor: (ms: number) => void } {
  let sleptMs = 0;
  return {
    clock: {
      now: () => systemClock.now() + sleptMs,
      monotonic: () => systemClock.monotonic() + sleptMs,
      sleep: systemClock.sleep,
    },
    sleepFor: (ms) => {
      sleptMs += ms;
      double.clockOffsetMs += ms;
    },
  };
}

async function online(clock: Clock, maxStaleSeconds?: number): Promise<Agent> {
  const link = new HttpsLink({ baseUrl: double.url, ca: double.ca });
  const identity = await importIdentity(enrolled.identity);
  const agent = new Agent({ identity, link, clock, maxStaleSeconds });
  agent.start();
  await until(() => agent.cache.revision()?.revision === double.group.revision);
  await until(() => double.waitingPulls === 1);
  return agent;
}

describe('[F-08] after a host has slept for 48 hours', () => {
  test('its agent goes on with a new session, and the values that came meanwhile', async () => {
    const { clock, sleepFor } = sleeper();
    const agent = await online(clock);
    sleepFor(48 * HOUR_MS);
    await double.stop();
    double.putSecret('name', 'changed meanwhile');
    await double.start();
    await until(() => agent.cache.revision()?.revision === double.group.revision);
    await until(() => agent.contact.state === 'connected' && agent.contact.ageSeconds() < 60);
    expect(double.requestsTo('/agent/v1/session')).toHaveLength(2);
    await agent.stop();
  });

  test('[F-05] with a limit its values are wiped, and there again as soon as the control plane is', async () => {
    const { clock, sleepFor } = sleeper();
    const agent = await online(clock, 1800);
    sleepFor(48 * HOUR_MS);
    await until(() => agent.cache.revision() === undefined);
    await double.stop();
    await double.start();
    await until(() => agent.cache.revision()?.revision === double.group.revision);
    await until(() => agent.contact.ageSeconds() < 60);
    await agent.stop();
  });

  test('[F-05] with a limit and no control plane its agent gives up', async () => {
    const { clock, sleepFor } = sleeper();
    const agent = await online(clock, 1800);
    await double.stop();
    sleepFor(48 * HOUR_MS);
    expect(await agent.gaveUp).toMatchObject({ code: 'values.too_old' });
    expect(agent.cache.revision()).toBeUndefined();
    await agent.stop();
  });
});
