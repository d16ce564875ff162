import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { HttpsLink } from '@sallyport/tls/https-link';
import { AgentError } from '../src/agent-error.ts';
import { systemClock } from '../src/clock.ts';
import { ServerClock } from '../src/link/server-clock.ts';
import { Session, type SessionParts } from '../src/link/session.ts';
import { silentLog } from '../src/log.ts';
import { loadIdentity } from '../src/state/identity.ts';
import { StateDirectory } from '../src/state/state-directory.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { Refusal } from './double/authority.ts';
import { enrollWith, type Enrolled } from './harness.ts';

const MINUTE_MS = 60_000;
const forEver = new AbortController().signal;

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let link: HttpsLink;
let parts: SessionParts;
let session: Session;
/** By how much the agent's clock has gone on. */
let ahead: number;
/** What the token file holds. */
let readToken: () => Promise<string>;
beforeEach(async () => {
  ahead = 0;
  double = await ControlPlaneDouble.start();
  enrolled = await enrollWith(double);
  link = new HttpsLink({ baseUrl: double.url, ca: double.ca });
  using state = await StateDirectory.open(enrolled.stateDir);
  const token = double.authority.mintAgentToken(enrolled.identity.agentId);
  readToken = async () => token;
  parts = {
    identity: await loadIdentity(state),
    link,
    clock: { ...systemClock, now: () => Date.now() + ahead },
    serverClock: new ServerClock(systemClock),
    log: silentLog,
    readToken: () => readToken(),
  };
  session = new Session(parts);
});
afterEach(async () => {
  link.close();
  await double.stop();
  await enrolled.home.remove();
});

const pathsAsked = () =>
  double.received.map(({ path }) => path).filter((path) => path.startsWith('/agent/v1/session'));
const OPENED = '/agent/v1/session';
const RENEWED = '/agent/v1/session/renew';

async function openAfter(minutes: number): Promise<void> {
  ahead += minutes * MINUTE_MS;
  await session.open(forEver);
}

test('[AX-17] a session that is still open is renewed, and not opened again with the token', async () => {
  for (const minutes of [0, 5, 8, 13]) await openAfter(minutes);
  expect(pathsAsked()).toEqual([OPENED, RENEWED, RENEWED]);
});

test('one that has ended meanwhile is opened again', async () => {
  for (const minutes of [0, 16]) await openAfter(minutes);
  expect(pathsAsked()).toEqual([OPENED, OPENED]);
});

test.each([
  ['is refused', new Refusal(401, 'agent_token.revoked')],
  ['an older control plane does not know', new Refusal(404, 'request.not_found')],
])('one whose renewal %s is opened again', async (_, refusal) => {
  await openAfter(0);
  double.failNext(RENEWED, refusal);
  await openAfter(13);
  expect(pathsAsked()).toEqual([OPENED, RENEWED, OPENED]);
});

test('[AT-09] a token that was put in the place of another opens the next session, before the old one ends', async () => {
  await openAfter(0);
  const next = double.authority.mintAgentToken(enrolled.identity.agentId);
  readToken = async () => next;
  await openAfter(5);
  expect(pathsAsked()).toEqual([OPENED]);
  await openAfter(8);
  expect(pathsAsked()).toEqual([OPENED, OPENED]);
  expect(JSON.parse(double.received.at(-1)?.body ?? '')).toMatchObject({ token: next });
});

test('[AT-09] one that waits for its hash too long does neither: the old session goes on, and it is shown again', async () => {
  await openAfter(0);
  const next = double.authority.mintAgentToken(enrolled.identity.agentId);
  readToken = async () => next;
  double.failNext(OPENED, new Refusal(429, 'hashing.busy'));
  await openAfter(13);
  await openAfter(1);
  expect(pathsAsked()).toEqual([OPENED, OPENED, OPENED]);
  expect(JSON.parse(double.received.at(-1)?.body ?? '')).toMatchObject({ token: next });
  double.failNext(OPENED, new Refusal(429, 'hashing.busy'));
  await expect(openAfter(16)).rejects.toMatchObject({ code: 'hashing.busy' });
});

test('a token file that is away for a moment ends no session before its time', async () => {
  await openAfter(0);
  readToken = async () => {
    throw new AgentError('token_file.unusable', 'it is away');
  };
  await openAfter(13);
  expect(pathsAsked()).toEqual([OPENED]);
  await expect(openAfter(3)).rejects.toMatchObject({ code: 'token_file.unusable' });
});

describe('requests that wait for the same session', () => {
  /** Opens sessions once `held` is resolved. */
  function slowSession(held: Promise<void>): Session {
    const slow: Pick<HttpsLink, 'request'> = {
      request: async (method, path, request) => {
        if (path === OPENED) await held;
        return link.request(method, path, request);
      },
    };
    return new Session({ ...parts, link: slow });
  }

  test('[F-01] one that is given up ends at once, though another began to open it', async () => {
    const held = Promise.withResolvers<void>();
    const slow = slowSession(held.promise);
    const other = slow.open(forEver);
    const ending = new AbortController();
    const waiting = slow.open(ending.signal);
    ending.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'link.aborted' });
    held.resolve();
    await other;
  });

  test('one that began to open it and is given up takes it from no other', async () => {
    const held = Promise.withResolvers<void>();
    const slow = slowSession(held.promise);
    const ending = new AbortController();
    const first = slow.open(ending.signal);
    const other = slow.open(forEver);
    ending.abort();
    await expect(first).rejects.toMatchObject({ code: 'link.aborted' });
    held.resolve();
    await other;
    expect(pathsAsked()).toEqual([OPENED]);
  });
});
