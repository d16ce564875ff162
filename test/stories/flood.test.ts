import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createdEnrollmentToken, PROTOCOL } from '@sallyport/contract';
import { signEnrollmentProof } from '@sallyport/crypto/assertion';
import { generateEncryptionJwk, importEncryptionKey } from '@sallyport/crypto/encryption-key';
import { generateSigningJwk, importSigningKey } from '@sallyport/crypto/signing-key';
import { formatToken, mintToken } from '@sallyport/crypto/token';
import { startFlood } from '@sallyport/testkit/flood';
import { HttpsLink } from '@sallyport/tls/https-link';
import { Agent } from '../../apps/agent/src/agent.ts';
import { systemClock } from '../../apps/agent/src/clock.ts';
import { enroll } from '../../apps/agent/src/link/enroll.ts';
import { silentLog, type Log } from '../../apps/agent/src/log.ts';
import { importIdentity } from '../../apps/agent/src/state/identity.ts';
import { StateDirectory } from '../../apps/agent/src/state/state-directory.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import { nextRevision } from '../fixtures/next-revision.ts';
import type { Operator } from '../fixtures/operator.ts';

/** `npm run bench -- comeback` is the same with 5,000. */
const AGENTS = 25;
const FLOODING = 32;
/** Two checks at a time, a tenth of a second each: far less than this, however fast the machine. */
const MOST_HASHES_PER_SECOND = 50;

let installation: Installation;
let replica: Replica;
let owner: Operator;
let token: { id: string; token: string };
let sessions = 0;
const agents: Agent[] = [];
beforeAll(async () => {
  installation = await Installation.create();
  replica = await installation.startReplica('control-plane');
  owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'plant-7' });
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'before' });
  const made = await owner.do('POST', '/groups/plant-7/enrollment-tokens', { uses: AGENTS });
  token = createdEnrollmentToken.parse(made.body);
  await Promise.all(Array.from({ length: AGENTS }, (_, index) => startAgent(`agent-${index}`)));
}, 90_000);
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  await installation.end();
});

const log: Log = {
  ...silentLog,
  info: (_, message) => {
    if (message === 'session opened') sessions += 1;
  },
};

async function startAgent(name: string): Promise<void> {
  const { agentUrl: controlPlane, ca } = replica;
  const link = new HttpsLink({ baseUrl: controlPlane, ca });
  using state = await StateDirectory.open(join(installation.folder, name));
  const identity = await enroll({
    ...{ state, link, controlPlane, trustAnchor: ca, token: token.token, name },
    ...{ certified: false, force: false, clock: systemClock },
  });
  const agent = new Agent({ identity: await importIdentity(identity), link, log });
  agents.push(agent);
  const applied = nextRevision(agent);
  agent.start();
  await applied;
}

/** An enrolment with a made-up secret of a token that is there, which only a hash can tell from the right one. */
async function bogusEnrolments(): Promise<() => Promise<string>> {
  const signing = importSigningKey(await generateSigningJwk());
  const { publicJwk: encryptionKey } = await importEncryptionKey(await generateEncryptionJwk());
  const facts = { agentVersion: '0', platform: 'p', architecture: 'a', runtime: 'r' };
  return async () => {
    const bogus = formatToken(mintToken('enroll', token.id));
    const proof = await signEnrollmentProof(signing, bogus, encryptionKey, Date.now());
    const keys = { signingKey: signing.publicJwk, encryptionKey };
    return JSON.stringify({
      ...{ protocol: PROTOCOL, token: bogus, name: 'stranger', proof, facts },
      ...keys,
    });
  };
}

test('[F-12] in a flood of bogus tokens every agent comes back to a control plane that was killed, none by a hash, and hashing stays bounded', async () => {
  const opened = sessions;
  const url = `${replica.agentUrl}/agent/v1/enroll`;
  const body = await bogusEnrolments();
  replica.process.kill('SIGKILL');
  await replica.process.exited;
  const flood = startFlood({ url, ca: replica.ca, clients: FLOODING, body });
  const back = Promise.all(agents.map(nextRevision));
  replica = await installation.restart(replica);
  const startedAt = performance.now();
  owner = await installation.signIn(replica);
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'after' });
  await back;
  const seconds = (performance.now() - startedAt) / 1000;
  const { byStatus, withoutRetryAfter } = await flood.stop();
  expect(seconds).toBeLessThan(60);
  // The sessions that they had are still good: nothing was opened, so that nothing had to be hashed or signed.
  expect(sessions).toBe(opened);
  expect([...byStatus.keys()].toSorted()).toEqual([401, 429]);
  expect(withoutRetryAfter).toBe(0);
  expect(byStatus.get(401)).toBeLessThan(seconds * MOST_HASHES_PER_SECOND + FLOODING);
  expect(byStatus.get(429)).toBeGreaterThan(FLOODING);
}, 120_000);
