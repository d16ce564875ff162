import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { HttpsLink } from '@sallyport/tls/https-link';
import { Agent } from '../src/agent.ts';
import { systemClock, type Clock } from '../src/clock.ts';
import { AgentEvents } from '../src/events/agent-events.ts';
import { EventSpool } from '../src/events/event-spool.ts';
import { UnusableFiles } from '../src/files/stores.ts';
import { Credentials } from '../src/link/credentials.ts';
import { LateLink } from '../src/link/late-link.ts';
import { trustFor } from '../src/link/trust.ts';
import { silentLog } from '../src/log.ts';
import { loadIdentity } from '../src/state/identity.ts';
import { StateDirectory } from '../src/state/state-directory.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { Refusal } from './double/authority.ts';
import type { Fault } from './double/faults.ts';
import { enrollWith, until, type Enrolled } from './harness.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  enrolled = await enrollWith(double);
});
afterEach(async () => {
  await double.stop();
  await enrolled.home.remove();
});

/** Its pauses last until they are ended early, but for those of no length. */
const endless: Clock = {
  ...systemClock,
  sleep: async (ms, signal) => {
    if (ms > 0 && signal?.aborted !== true)
      await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
  },
};

/** An agent that waits for ever after each failure, and events that are reported all the same. */
async function startPatient() {
  using state = await StateDirectory.open(enrolled.stateDir);
  const identity = await loadIdentity(state);
  const spool = new EventSpool(state.path, { key: identity.eventsKey, log: silentLog });
  await spool.restore();
  const sleep = () => new Promise<void>((resolve) => setImmediate(resolve));
  const parts = { clock: { ...systemClock, sleep }, random: () => 0, log: silentLog };
  const events = new AgentEvents({ spool, group: identity.group.id, ...parts });
  const link = new HttpsLink({ baseUrl: double.url, ca: double.ca });
  const agent = new Agent({ identity, link, clock: endless, random: () => 1, events });
  agent.start();
  await until(() => agent.contact.failures === 1);
  return {
    agent,
    /** Has one answered; what that set off has reached the control plane, too. */
    report: async () => {
      const before = double.reports.length;
      events.record({ action: 'values:wipe', subject: 'agent' });
      await until(() => double.reports.length > before && spool.waiting === 0);
      await link.request('GET', '/agent/v1/cacerts');
    },
  };
}

test('[F-02] an agent that waits after an outage asks again once anything of it was answered', async () => {
  await double.stop();
  const { agent, report } = await startPatient();
  await double.start();
  await report();
  await until(() => agent.contact.state === 'connected');
  await agent.stop();
});

test('[F-02] it does so once: what else is answered ends no other wait before a pull was', async () => {
  // More than there are pulls: each is tried anew where its connection was used before.
  double.failNext('/agent/v1/pull', ...Array.from({ length: 9 }, () => 'hang up' as const));
  const { agent, report } = await startPatient();
  await report();
  await until(() => agent.contact.failures === 2);
  const pulls = double.requestsTo('/agent/v1/pull');
  await report();
  await agent.stop();
  expect(double.requestsTo('/agent/v1/pull')).toHaveLength(pulls.length);
});

test('[F-02] it does so again in the next outage, once a pull was answered in between', async () => {
  await double.stop();
  const { agent, report } = await startPatient();
  await double.start();
  await report();
  await until(() => double.waitingPulls === 1);
  await double.stop();
  await until(() => agent.contact.failures === 2);
  await double.start();
  await report();
  await until(() => agent.contact.state === 'connected');
  await agent.stop();
});

test.each<[what: string, fault: Fault, code: string]>([
  ['the control plane refused', new Refusal(503, 'server.unavailable'), 'server.unavailable'],
  ['does not pass by itself', 'talk nonsense', 'link.protocol'],
])('[F-02] what %s is not asked for sooner than it was to be', async (...[, fault, code]) => {
  double.failNext('/agent/v1/pull', fault);
  const { agent, report } = await startPatient();
  await report();
  await agent.stop();
  expect(double.requestsTo('/agent/v1/pull')).toHaveLength(1);
  expect(agent.contact).toMatchObject({ state: 'unreachable', lastError: { code } });
});

test('[F-02] it asks again each time that a file of its link is taken, until the link is there', async () => {
  using state = await StateDirectory.open(enrolled.stateDir);
  const identity = await loadIdentity(state);
  const parts = { clock: endless, random: () => 1, log: silentLog };
  const trust = trustFor(identity, undefined);
  const credentials = await Credentials.open({ state, identity, trust, ...parts }, false);
  let areGood = false;
  const link = await LateLink.open({
    make: async () => {
      if (!areGood) throw new UnusableFiles('a file is damaged', {});
      return new HttpsLink({ baseUrl: double.url, ca: double.ca });
    },
    onMade: () => credentials.onReplaced(),
    log: silentLog,
  });
  const agent = new Agent({ identity, link, credentials, ...parts });
  agent.start();
  await until(() => agent.contact.failures === 1);
  // The first of two.
  credentials.onReplaced();
  await until(() => agent.contact.failures === 2);
  areGood = true;
  await until(() => agent.contact.state === 'connected');
  await agent.stop();
});

test('[BM-21] a CA that is replaced while the link is being made is the one that it trusts', async () => {
  let areGood = false;
  const link = await LateLink.open({
    make: async () => {
      if (!areGood) throw new UnusableFiles('a file is damaged', {});
      const ofBefore = new HttpsLink({ baseUrl: double.url });
      link.replace({ ca: double.ca });
      return ofBefore;
    },
    onMade: () => {},
    log: silentLog,
  });
  areGood = true;
  await until(() => link.problems?.().length === 0);
  // Refused, and so answered.
  expect(await link.request('GET', '/agent/v1/cacerts')).toMatchObject({ status: 401 });
  link.close();
});
