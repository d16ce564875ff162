import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createdEnrollmentToken } from '@sallyport/contract';
import { HttpsLink } from '@sallyport/tls/https-link';
import { Agent } from '../../apps/agent/src/agent.ts';
import { systemClock, type Clock } from '../../apps/agent/src/clock.ts';
import { enroll } from '../../apps/agent/src/link/enroll.ts';
import { importIdentity } from '../../apps/agent/src/state/identity.ts';
import { StateDirectory } from '../../apps/agent/src/state/state-directory.ts';
import { until } from '../../apps/agent/test/harness.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';

const HOUR_MS = 3_600_000;

let installation: Installation;
let replica: Replica;
let owner: Operator;
beforeAll(async () => {
  installation = await Installation.create();
  replica = await installation.startReplica('control-plane');
  owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'plant-7' });
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'v' });
}, 60_000);
afterAll(() => installation.end());

/** This host’s clock, set wrong by so much. */
const wrongBy = (ms: number): Clock => ({ ...systemClock, now: () => systemClock.now() + ms });

/** Enrols by one clock, and goes online by another. */
async function agentBy(enrolledBy: Clock, clock: Clock): Promise<Agent> {
  const link = new HttpsLink({ baseUrl: replica.agentUrl, ca: replica.ca });
  const made = await owner.do('POST', '/groups/plant-7/enrollment-tokens', {});
  const { token, id } = createdEnrollmentToken.parse(made.body);
  using state = await StateDirectory.open(join(installation.folder, id));
  const identity = await enroll({
    state,
    link,
    controlPlane: replica.agentUrl,
    trustAnchor: replica.ca,
    certified: false,
    token,
    name: id,
    force: false,
    clock: enrolledBy,
  }).catch((error: unknown) => {
    link.close();
    throw error;
  });
  const agent = new Agent({ identity: await importIdentity(identity), link, clock });
  agent.start();
  return agent;
}

test.each([
  ['ahead', 600_000],
  ['behind', -600_000],
])(
  '[F-08] a host ten minutes %s enrols once, opens its session, pulls, and tells the difference',
  async (_, offsetMs) => {
    const clock = wrongBy(offsetMs);
    const agent = await agentBy(clock, clock);
    await until(() => agent.cache.size().entries === 1 && agent.contact.state === 'connected');
    expect(Math.abs((agent.serverClock.offsetMs() ?? 0) - offsetMs)).toBeLessThan(3000);
    await agent.stop();
  },
);

test.each([
  ['ahead of', 30 * HOUR_MS],
  ['behind', -30 * HOUR_MS],
])(
  '[F-08] a host thirty hours %s the control plane is refused, at its session and its enrolment, with the measured difference',
  async (side, offsetMs) => {
    const told = new RegExp(`This host’s clock is 1(07999|08000|08001) s ${side} the control`);
    const agent = await agentBy(systemClock, wrongBy(offsetMs));
    await until(() => agent.contact.lastError !== undefined);
    expect(agent.contact.lastError).toMatchObject({
      code: 'clock.skewed',
      message: expect.stringMatching(told),
      advice: 'set this host’s clock, best by NTP',
    });
    await agent.stop();
    await expect(agentBy(wrongBy(offsetMs), systemClock)).rejects.toMatchObject({
      code: 'clock.skewed',
      message: expect.stringMatching(told),
    });
  },
);
