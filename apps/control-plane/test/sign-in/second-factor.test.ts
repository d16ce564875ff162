import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { FAILURES_BEFORE_LOCK, LOCK_SECONDS } from '../../src/operators/sign-in-failures.ts';
import { enableTotp, newApp, type AuthenticatorApp } from '../authenticator-app.ts';
import { OWNER_PASSWORD, startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

const password = OWNER_PASSWORD;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

/** Signed in as an operator of this name, who has no role. */
async function newOperator(name: string): Promise<OperatorClient> {
  await owner.call('POST', '/operators', { name, password });
  return OperatorClient.signedIn(controlPlane.operatorApp, { name, password });
}

function signIn(name: string, given: { password?: string; totp?: string }): Promise<Reply> {
  const client = new OperatorClient(controlPlane.operatorApp);
  return client.call('POST', '/sessions', { name, password, ...given });
}

const nextStep = () => controlPlane.clock.advance(30_000);
const refused = (code: string) => ({ status: 401, body: { code } });

describe('[AX-18] a second factor', () => {
  test('is asked for after the right password alone, and then opens a session', async () => {
    const app = await enableTotp(await newOperator('alice'), controlPlane.clock);
    nextStep();
    expect(await signIn('alice', { password: 'wrong' })).toMatchObject(
      refused('credentials.wrong'),
    );
    const both = { password: 'wrong', totp: app.code() };
    expect(await signIn('alice', both)).toMatchObject(refused('credentials.wrong'));
    expect(await signIn('alice', {})).toMatchObject(refused('totp.required'));
    expect(await signIn('alice', { totp: app.wrongCode() })).toMatchObject(refused('totp.wrong'));
    expect(await signIn('alice', { totp: app.code() })).toMatchObject({ status: 201 });
  });

  test('has codes that are good once, also of sign-ins that come together', async () => {
    const app = await enableTotp(await newOperator('bob'), controlPlane.clock);
    expect(await signIn('bob', { totp: app.code() })).toMatchObject(refused('totp.wrong'));
    nextStep();
    const totp = app.code();
    const replies = await Promise.all([signIn('bob', { totp }), signIn('bob', { totp })]);
    expect(replies.map(({ status }) => status).toSorted()).toEqual([201, 401]);
    expect(await signIn('bob', { totp })).toMatchObject(refused('totp.wrong'));
    nextStep();
    expect(await signIn('bob', { totp: app.code() })).toMatchObject({ status: 201 });
  });

  test('cannot be guessed: a wrong code counts for the lock, one that is missing does not', async () => {
    const app = await enableTotp(await newOperator('carol'), controlPlane.clock);
    for (let time = 0; time < FAILURES_BEFORE_LOCK; time += 1)
      expect(await signIn('carol', {})).toMatchObject(refused('totp.required'));
    for (let failure = 1; failure < FAILURES_BEFORE_LOCK; failure += 1)
      expect(await signIn('carol', { totp: app.wrongCode() })).toMatchObject(refused('totp.wrong'));
    nextStep();
    const locked = { status: 429, body: { code: 'operator.locked' } };
    expect(await signIn('carol', { totp: app.wrongCode() })).toMatchObject(locked);
    expect(await signIn('carol', { totp: app.code() })).toMatchObject(locked);
    controlPlane.clock.advance(LOCK_SECONDS * 1000 + 1);
    expect(await signIn('carol', { totp: app.code() })).toMatchObject({ status: 201 });
  });

  test('counts once it is confirmed with a right code, which ends the other sessions', async () => {
    const dave = await newOperator('dave');
    const elsewhere = await OperatorClient.signedIn(controlPlane.operatorApp, {
      name: 'dave',
      password,
    });
    const abandoned = await newApp(dave, controlPlane.clock);
    const app = await newApp(dave, controlPlane.clock);
    const confirm = (code: string) => dave.call('POST', '/me/totp/confirm', { code });
    expect(await confirm(abandoned.code())).toMatchObject(refused('totp.wrong'));
    expect(await confirm(app.wrongCode())).toMatchObject(refused('totp.wrong'));
    expect(await signIn('dave', {})).toMatchObject({ status: 201 });
    expect((await confirm(app.code())).status).toBe(204);
    expect(await signIn('dave', {})).toMatchObject(refused('totp.required'));
    expect((await dave.call('GET', '/me')).status).toBe(200);
    expect(await elsewhere.call('GET', '/me')).toMatchObject(refused('session.invalid'));
    const exists = { status: 409, body: { code: 'totp.exists' } };
    expect(await confirm(app.code())).toMatchObject(exists);
    expect(await dave.call('POST', '/me/totp', { password })).toMatchObject(exists);
  });

  test('cannot be guessed through a session by who knows the password and changes it in between', async () => {
    const judy = await newOperator('judy');
    const app = await enableTotp(judy, controlPlane.clock);
    const guess = () => judy.call('DELETE', '/me/totp', { password, code: app.wrongCode() });
    const other = 'another correct horse battery';
    const thereAndBack = [
      { current: password, new: other },
      { current: other, new: password },
    ];
    for (let failure = 1; failure < FAILURES_BEFORE_LOCK; failure += 1) {
      expect(await guess()).toMatchObject(refused('totp.wrong'));
      for (const change of thereAndBack)
        expect((await judy.call('POST', '/me/password', change)).status).toBe(204);
    }
    const locked = { status: 429, body: { code: 'operator.locked' } };
    expect(await guess()).toMatchObject(locked);
  });

  test('is asked of a sign-in that checked the password before it was confirmed', async () => {
    const kim = await newOperator('kim');
    const app = await newApp(kim, controlPlane.clock);
    await signIn('kim', { password: 'wrong' });
    const failures = `SELECT FROM sign_in_failures WHERE name = 'kim' FOR UPDATE`;
    const attempts: Promise<Reply>[] = [];
    await whileHeld(controlPlane.databaseUrl, failures, async () => {
      attempts.push(signIn('kim', {}));
      await lockWaits(controlPlane.databaseUrl);
      const code = app.code();
      expect((await kim.call('POST', '/me/totp/confirm', { code })).status).toBe(204);
    });
    expect(await Promise.all(attempts)).toMatchObject([refused('totp.required')]);
  });

  test('is confirmed once, of two confirmations at once, and not when it was removed meanwhile', async () => {
    const { databaseUrl, clock } = controlPlane;
    const uma = await newOperator('uma');
    const confirmations = async (count: number, held: string) => {
      const app = await newApp(uma, clock);
      const replies: Promise<Reply>[] = [];
      await whileHeld(databaseUrl, held, async () => {
        for (let at = 0; at < count; at += 1)
          replies.push(uma.call('POST', '/me/totp/confirm', { code: app.code() }));
        await lockWaits(databaseUrl, count);
      });
      return (await Promise.all(replies)).map(({ status, body }) => [status, body]);
    };
    const ofUma = `operator_id = (SELECT id FROM operators WHERE name = 'uma')`;
    expect(await confirmations(1, `DELETE FROM operator_totps WHERE ${ofUma}`)).toMatchObject([
      [404, { code: 'totp.not_found' }],
    ]);
    const row = `SELECT FROM operator_totps WHERE ${ofUma} FOR UPDATE`;
    const twice = await confirmations(2, row);
    expect(twice.toSorted(([one], [other]) => Number(one) - Number(other))).toMatchObject([
      [204, undefined],
      [409, { code: 'totp.exists' }],
    ]);
  });

  test('ends also the session that is being opened without it', async () => {
    const leo = await newOperator('leo');
    const app = await newApp(leo, controlPlane.clock);
    const replies: Promise<Reply>[] = [];
    const inserts = 'LOCK TABLE audit_events IN SHARE MODE';
    await whileHeld(controlPlane.databaseUrl, inserts, async () => {
      replies.push(signIn('leo', {}));
      await lockWaits(controlPlane.databaseUrl);
      replies.push(leo.call('POST', '/me/totp/confirm', { code: app.code() }));
      await lockWaits(controlPlane.databaseUrl, 2);
    });
    const [opened, confirmed] = await Promise.all(replies);
    expect([opened?.status, confirmed?.status]).toEqual([201, 204]);
    const late = new OperatorClient(controlPlane.operatorApp);
    late.token = field(opened?.body, 'token');
    expect(await late.call('GET', '/me')).toMatchObject(refused('session.invalid'));
  });

  test('is removed with the password and a code, and not with one of them', async () => {
    const erin = await newOperator('erin');
    const app: AuthenticatorApp = await enableTotp(erin, controlPlane.clock);
    nextStep();
    const remove = (shown: object) =>
      erin.call('DELETE', '/me/totp', { password, code: app.code(), ...shown });
    expect(await remove({ password: 'wrong' })).toMatchObject(refused('credentials.wrong'));
    expect(await remove({ code: app.wrongCode() })).toMatchObject(refused('totp.wrong'));
    expect((await remove({})).status).toBe(204);
    expect(await signIn('erin', {})).toMatchObject({ status: 201 });
    expect(await signIn('alice', {})).toMatchObject(refused('totp.required'));
    expect(await remove({})).toMatchObject({ status: 404, body: { code: 'totp.not_found' } });
  });

  test('that is lost is reset by an owner, and by nobody else; the operator’s sessions end', async () => {
    const frank = await newOperator('frank');
    const grace = await newOperator('grace');
    await enableTotp(frank, controlPlane.clock);
    const path = '/operators/frank/totp';
    expect(await grace.call('DELETE', path)).toMatchObject({ status: 403 });
    expect((await owner.call('DELETE', path)).status).toBe(204);
    expect(await frank.call('GET', '/me')).toMatchObject(refused('session.invalid'));
    expect(await signIn('frank', {})).toMatchObject({ status: 201 });
    expect(await owner.call('DELETE', path)).toMatchObject({ status: 404 });
  });

  test('is not made through a session that was left open, by who does not know the password', async () => {
    const mia = await newOperator('mia');
    const make = (guess: string) => mia.call('POST', '/me/totp', { password: guess });
    for (let failure = 1; failure < FAILURES_BEFORE_LOCK; failure += 1)
      expect(await make('wrong')).toMatchObject(refused('credentials.wrong'));
    const locked = { status: 429, body: { code: 'operator.locked' } };
    expect(await make('wrong')).toMatchObject(locked);
    expect(await make(password)).toMatchObject(locked);
    controlPlane.clock.advance(LOCK_SECONDS * 1000 + 1);
    expect((await make(password)).status).toBe(201);
  });

  test('is of operators: an API key has none', async () => {
    const roles = [{ role: 'owner', group: null }];
    const reply = await owner.call('POST', '/api-keys', { name: 'ci', roles });
    const key = new OperatorClient(controlPlane.operatorApp);
    key.token = field(reply.body, 'key');
    expect(await key.call('POST', '/me/totp', { password })).toMatchObject(
      refused('session.required'),
    );
    expect(await key.call('GET', '/sessions')).toMatchObject(refused('session.required'));
  });

  test('[A7-20] is kept sealed for its operator: the secret is in no row, and opens in no other', async () => {
    const heidi = await newOperator('heidi');
    const reply = await heidi.call('POST', '/me/totp', { password });
    const secret = field(reply.body, 'secret');
    const ivan = await newOperator('ivan');
    const app = await newApp(ivan, controlPlane.clock);
    await asAdmin(controlPlane.databaseUrl, async (client) => {
      const { rows } = await client.query<{ text: string }>(
        'SELECT t::text AS text FROM operator_totps t',
      );
      expect(rows.length).toBeGreaterThan(1);
      expect(JSON.stringify(rows)).not.toContain(secret);
      const idOf = (name: string) => `(SELECT id FROM operators WHERE name = '${name}')`;
      await client.query(`UPDATE operator_totps SET sealed_secret =
        (SELECT sealed_secret FROM operator_totps WHERE operator_id = ${idOf('ivan')})
        WHERE operator_id = ${idOf('heidi')}`);
    });
    const confirmed = await heidi.call('POST', '/me/totp/confirm', { code: app.code() });
    expect(confirmed).toMatchObject({ status: 500 });
    expect(controlPlane.logged()).not.toContain(secret);
  });
});
