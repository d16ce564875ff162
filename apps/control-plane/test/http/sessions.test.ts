import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { formatToken, mintToken, parseToken } from '@sallyport/crypto/token';
import { asAdmin } from '@sallyport/testkit/database';
import { FAILURES_BEFORE_LOCK, LOCK_SECONDS } from '../../src/operators/sign-in-failures.ts';
import { OWNER_PASSWORD, startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { lockWaits } from '../lock-waits.ts';
import { field, OperatorClient } from '../operator-client.ts';

let controlPlane: TestControlPlane;
beforeAll(async () => {
  controlPlane = await startControlPlane();
});
afterAll(() => controlPlane.end());

const signIn = (name: string, password: string) =>
  new OperatorClient(controlPlane.operatorApp).call('POST', '/sessions', { name, password });

describe('operator sessions', () => {
  test('[AX-17] [AT-01] a session token opens the API; none and a mistyped one are refused', async () => {
    const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    expect(await owner.call('GET', '/me')).toMatchObject({
      status: 200,
      body: { kind: 'operator', name: 'owner', roles: [{ role: 'owner', group: null }] },
    });

    const nobody = new OperatorClient(controlPlane.operatorApp);
    expect(await nobody.call('GET', '/me')).toMatchObject({
      status: 401,
      body: { code: 'session.required' },
    });
    nobody.token = `${owner.token?.slice(0, -1)}${owner.token?.endsWith('0') ? '1' : '0'}`;
    expect(await nobody.call('GET', '/me')).toMatchObject({
      status: 401,
      body: { code: 'session.invalid' },
    });
  });

  test('[AX-17] [AT-01] a token that was made up, for the id of a real session or for none, is refused, also once the real one was believed', async () => {
    const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    const { id } = parseToken(owner.token ?? '', 'session');
    const forger = new OperatorClient(controlPlane.operatorApp);
    for (const forgedId of [id, crypto.randomUUID()]) {
      expect((await owner.call('GET', '/me')).status).toBe(200);
      forger.token = formatToken(mintToken('session', forgedId));
      expect(await forger.call('GET', '/me')).toMatchObject({
        status: 401,
        body: { code: 'session.invalid' },
      });
    }
  });

  test('[AX-17] of a hundred requests at once all are let in that bear the token of a new session, and none with a forged one', async () => {
    const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    const forger = new OperatorClient(controlPlane.operatorApp);
    forger.token = formatToken(mintToken('session', parseToken(owner.token ?? '', 'session').id));
    for (const [client, status] of [
      [forger, 401],
      [owner, 200],
    ] as const) {
      const calls = Array.from({ length: 100 }, () => client.call('GET', '/me'));
      expect(new Set((await Promise.all(calls)).map((reply) => reply.status))).toEqual(
        new Set([status]),
      );
    }
  });

  test('[AX-17] an expired and an ended session are refused', async () => {
    const first = await OperatorClient.signedIn(controlPlane.operatorApp);
    expect((await first.call('DELETE', '/sessions/current')).status).toBe(204);
    expect(await first.call('GET', '/me')).toMatchObject({
      status: 401,
      body: { code: 'session.invalid' },
    });

    const second = await OperatorClient.signedIn(controlPlane.operatorApp);
    for (let hour = 0; hour < 12; hour += 1) {
      expect((await second.call('GET', '/me')).status).toBe(200);
      controlPlane.clock.advance(3_600_000);
    }
    expect(await second.call('GET', '/me')).toMatchObject({
      status: 401,
      body: { code: 'session.invalid' },
    });
  });

  test('a wrong password and an unknown name are refused in the same words', async () => {
    const wrong = await signIn('owner', 'not the password');
    const unknown = await signIn('nobody-here', 'not the password');
    expect(wrong).toMatchObject({ status: 401, body: { code: 'credentials.wrong' } });
    expect(field(unknown.body, 'detail')).toBe(field(wrong.body, 'detail'));
    expect(unknown.status).toBe(wrong.status);
  });

  test('repeated failures lock a name, also with the right password, and only for a while; the audit tells which one did', async () => {
    const failures = [];
    for (let failure = 1; failure <= FAILURES_BEFORE_LOCK; failure += 1)
      failures.push(await signIn('owner', 'wrong'));
    expect(failures.at(-1)).toMatchObject({ status: 429, body: { code: 'operator.locked' } });
    const locked = await signIn('owner', OWNER_PASSWORD);
    expect(locked).toMatchObject({ status: 429, headers: { 'retry-after': String(LOCK_SECONDS) } });
    const requestId = failures.find(({ status }) => status === 429)?.headers['x-request-id'];
    expect(
      await asAdmin(controlPlane.databaseUrl, async (client) => {
        const recorded = `SELECT request_id, details FROM audit_events
          WHERE action = 'session:create' AND details->>'locked' = 'true'`;
        return (await client.query(recorded)).rows;
      }),
    ).toEqual([{ request_id: requestId, details: { code: 'credentials.wrong', locked: true } }]);

    controlPlane.clock.advance(LOCK_SECONDS * 1000 + 1);
    expect((await signIn('owner', OWNER_PASSWORD)).status).toBe(201);
  });

  test('guesses that come together are counted one by one: after the limit none is tried, not even the right one', async () => {
    const passwords = [...Array<string>(16).fill('wrong'), OWNER_PASSWORD];
    const replies = await Promise.all(passwords.map((password) => signIn('owner', password)));
    const tried = replies.filter(({ body }) => field(body, 'code') === 'credentials.wrong');
    expect(tried).toHaveLength(FAILURES_BEFORE_LOCK - 1);
    expect(replies.at(-1)).toMatchObject({ status: 429, body: { code: 'operator.locked' } });
    expect(await signIn('owner', OWNER_PASSWORD)).toMatchObject({ status: 429 });
    controlPlane.clock.advance(LOCK_SECONDS * 1000 + 1);
    expect((await signIn('owner', OWNER_PASSWORD)).status).toBe(201);
  });

  test.each([
    ['right', OWNER_PASSWORD],
    ['wrong', 'wrong'],
  ])(
    'a lock that another replica sets while a %s password is being checked holds: it opens nothing, counts nothing and stays',
    async (_, password) => {
      await asAdmin(controlPlane.databaseUrl, async (client) => {
        const until = new Date(controlPlane.clock.now() + LOCK_SECONDS * 1000);
        await signIn('owner', 'wrong');
        const sql = `SELECT failures, locked_until FROM sign_in_failures WHERE name = 'owner'`;
        await client.query('BEGIN');
        await client.query(`UPDATE sign_in_failures SET locked_until = $1 WHERE name = 'owner'`, [
          until,
        ]);
        const before = await client.query(sql);
        const attempt = signIn('owner', password);
        await lockWaits(controlPlane.databaseUrl);
        await client.query('COMMIT');
        expect(await attempt).toMatchObject({
          status: 429,
          headers: { 'retry-after': String(LOCK_SECONDS) },
          body: { code: 'operator.locked' },
        });
        expect((await client.query(sql)).rows).toEqual(before.rows);
      });
      controlPlane.clock.advance(LOCK_SECONDS * 1000 + 1);
      expect((await signIn('owner', OWNER_PASSWORD)).status).toBe(201);
    },
  );

  test('failures are counted in a row: a sign-in that succeeds forgets those before it', async () => {
    for (let round = 1; round <= 2; round += 1) {
      for (let failure = 1; failure < FAILURES_BEFORE_LOCK; failure += 1)
        expect((await signIn('owner', 'wrong')).status).toBe(401);
      expect((await signIn('owner', OWNER_PASSWORD)).status).toBe(201);
    }
  });

  test('a sign-in that succeeds forgets no failures of another name', async () => {
    for (let failure = 1; failure < FAILURES_BEFORE_LOCK; failure += 1)
      expect((await signIn('somebody', 'wrong')).status).toBe(401);
    expect((await signIn('owner', OWNER_PASSWORD)).status).toBe(201);
    expect(await signIn('somebody', 'wrong')).toMatchObject({
      status: 429,
      body: { code: 'operator.locked' },
    });
  });

  test('a flood of guesses is refused beyond what may wait, and holds up nobody who is signed in', async () => {
    const operator = await OperatorClient.signedIn(controlPlane.operatorApp);
    const guesses = Array.from({ length: 100 }, (_, at) => signIn(`nobody-${at}`, 'a guess'));
    const refused = await Promise.race(guesses);
    expect(refused).toMatchObject({ status: 429, body: { code: 'hashing.busy' } });
    expect(await operator.call('GET', '/me')).toMatchObject({ status: 200 });
    const answers = await Promise.all(guesses);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 429]));
  }, 30_000);

  test('no password reaches the log', () => {
    expect(controlPlane.logged()).toContain('request refused');
    expect(controlPlane.logged()).not.toContain(OWNER_PASSWORD);
    expect(controlPlane.logged()).not.toContain('not the password');
  });
});
