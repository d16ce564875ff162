import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { restoreOwner } from '../../src/operators/index.ts';
import { FAILURES_BEFORE_LOCK } from '../../src/operators/sign-in-failures.ts';
import { RootKeys, WrongRootKey } from '../../src/platform/root-keys.ts';
import { sql } from '../audit/chain.ts';
import { enableTotp } from '../authenticator-app.ts';
import {
  LIGHT_HASHES,
  OWNER_PASSWORD,
  startControlPlane,
  type TestControlPlane,
} from '../control-plane.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { OperatorClient, type Reply } from '../operator-client.ts';

const STOLEN = 'the stolen password';
const NEW = 'the new password!';
/** Of the stolen password, with other costs than the control plane's. */
const OUTDATED_HASH =
  '$argon2id$v=19$m=8192,p=1,t=2$8mrT2YuYyElOMkSGkdj2XQ$JCKZBF+uHvDpabaZNR5ZNgAcis0pcCWPozudMrOew8o';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

const signIn = (name: string, password: string) =>
  new OperatorClient(controlPlane.operatorApp).call('POST', '/sessions', { name, password });
const resetPassword = (name: string) =>
  owner.call('PUT', `/operators/${name}/password`, { password: NEW });

async function makeOperator(name: string): Promise<void> {
  const made = await owner.call('POST', '/operators', { name, password: STOLEN, roles: [] });
  expect(made.status).toBe(201);
}

/** A sign-in that has checked the password when `act` happens, and only then opens its session. */
async function signInAcross(name: string, act: () => Promise<Reply>): Promise<Reply> {
  await makeOperator(name);
  await signIn(name, 'wrong');
  let attempt: Promise<Reply> | undefined;
  const failures = `SELECT FROM sign_in_failures WHERE name = '${name}' FOR UPDATE`;
  await whileHeld(controlPlane.databaseUrl, failures, async () => {
    attempt = signIn(name, STOLEN);
    await lockWaits(controlPlane.databaseUrl);
    expect(await act()).toMatchObject({ status: 204 });
  });
  if (attempt === undefined) throw new Error('nobody has tried to sign in');
  return attempt;
}

test('[AX-17] a sign-in whose password is reset before it opens a session opens none', async () => {
  expect(await signInAcross('eve', () => resetPassword('eve'))).toMatchObject({
    status: 401,
    body: { code: 'credentials.wrong' },
  });
  expect((await signIn('eve', NEW)).status).toBe(201);
});

test('a sign-in whose operator is deleted before it opens a session is refused like an unknown name', async () => {
  expect(await signInAcross('gone', () => owner.call('DELETE', '/operators/gone'))).toMatchObject({
    status: 401,
    body: { code: 'credentials.wrong' },
  });
});

test('[AX-17] a sign-in that renews an outdated hash does not undo a reset that came before it', async () => {
  await makeOperator('mallory');
  await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query(`UPDATE operators SET password_hash = $1 WHERE name = 'mallory'`, [OUTDATED_HASH]),
  );
  const replies: Promise<Reply>[] = [];
  const row = `SELECT FROM operators WHERE name = 'mallory' FOR UPDATE`;
  await whileHeld(controlPlane.databaseUrl, row, async () => {
    replies.push(resetPassword('mallory'));
    await lockWaits(controlPlane.databaseUrl);
    replies.push(signIn('mallory', STOLEN));
    await lockWaits(controlPlane.databaseUrl, 2);
  });
  expect((await Promise.all(replies)).map(({ status }) => status)).toEqual([204, 401]);
  expect((await signIn('mallory', STOLEN)).status).toBe(401);
  expect((await signIn('mallory', NEW)).status).toBe(201);
});

test('a reset of one who is deleted meanwhile is told so, and changes nothing of another who has the name by then', async () => {
  await makeOperator('walter');
  const failed = `INSERT INTO sign_in_failures VALUES ('walter', 5, $1, $1)`;
  const lockedUntil = new Date(controlPlane.clock.now() + 60_000);
  await sql(controlPlane.databaseUrl, failed, [lockedUntil]);
  let reset: Promise<Reply> | undefined;
  const row = `SELECT FROM sign_in_failures WHERE name = 'walter' FOR UPDATE`;
  await whileHeld(controlPlane.databaseUrl, row, async () => {
    reset = resetPassword('walter');
    await lockWaits(controlPlane.databaseUrl);
    expect((await owner.call('DELETE', '/operators/walter')).status).toBe(204);
    await makeOperator('walter');
  });
  expect(await reset).toMatchObject({ status: 404, body: { code: 'operator.not_found' } });
  controlPlane.clock.set(lockedUntil.getTime() + 1);
  expect((await signIn('walter', STOLEN)).status).toBe(201);
});

test('a sign-in with an outdated hash renews it, and opens a session', async () => {
  await makeOperator('trent');
  await asAdmin(controlPlane.databaseUrl, async (client) => {
    await client.query(`UPDATE operators SET password_hash = $1 WHERE name = 'trent'`, [
      OUTDATED_HASH,
    ]);
    expect((await signIn('trent', STOLEN)).status).toBe(201);
    const { rows } = await client.query<{ hash: string }>(
      `SELECT password_hash AS hash FROM operators WHERE name = 'trent'`,
    );
    expect(rows[0]?.hash).toContain(`m=${LIGHT_HASHES.argon2id.memoryCost},`);
  });
  expect((await signIn('trent', STOLEN)).status).toBe(201);
});

const restore = (name: string) => restoreOwner(controlPlane.platform, name);
const signedIn = (roles: unknown) => ({ status: 201, body: { operator: { roles } } });
const ownerEverywhere = [{ role: 'owner', group: null }];

/** What the audit tells of resets of one name. */
const recorded = (name: string) =>
  sql(
    controlPlane.databaseUrl,
    `SELECT actor_kind AS kind, actor_name AS actor, details FROM audit_events
      WHERE action = 'operator:reset-owner' AND subject = 'operator:${name}'`,
  );

test('[AX-18] reset-owner lets one in who has no second factor, no role and a locked name: with its password alone, once everything else has ended', async () => {
  await owner.call('POST', '/operators', { name: 'lost', password: OWNER_PASSWORD });
  const before = await OperatorClient.signedIn(controlPlane.operatorApp, {
    name: 'lost',
    password: OWNER_PASSWORD,
  });
  await enableTotp(before, controlPlane.clock);
  for (let failure = 0; failure < FAILURES_BEFORE_LOCK; failure += 1) await signIn('lost', 'wrong');
  expect(await signIn('lost', OWNER_PASSWORD)).toMatchObject({ status: 429 });

  const { password, created } = await restore('lost');
  expect(created).toBe(false);
  expect(await before.call('GET', '/me')).toMatchObject({ status: 401 });
  expect(await signIn('lost', OWNER_PASSWORD)).toMatchObject({ status: 401 });
  expect(await signIn('lost', password)).toMatchObject(signedIn(ownerEverywhere));
  const changed = ['password', 'secondFactor', 'role'];
  expect(await recorded('lost')).toEqual([
    { kind: 'system', actor: 'reset-owner', details: { created: false, changed, sessions: 1 } },
  ]);
});

test('[AX-18] reset-owner makes an owner who is gone anew, and gives one no role twice', async () => {
  const made = await restore('gone');
  expect(made.created).toBe(true);
  expect(await signIn('gone', made.password)).toMatchObject(signedIn(ownerEverywhere));
  const { password } = await restore('gone');
  expect(await signIn('gone', made.password)).toMatchObject({ status: 401 });
  expect(await signIn('gone', password)).toMatchObject(signedIn(ownerEverywhere));
  expect(await recorded('gone')).toMatchObject([
    { details: { created: true, changed: ['password', 'role'], sessions: 0 } },
    { details: { created: false, changed: ['password'], sessions: 1 } },
  ]);
});

test('[A7-10] reset-owner changes nothing without the root key of the database, nor in one that holds no installation', async () => {
  const rootKeys = new RootKeys([Buffer.alloc(32, 1)]);
  const refused = restoreOwner({ ...controlPlane.platform, rootKeys }, 'owner');
  await expect(refused).rejects.toThrow(WrongRootKey);
  await sql(controlPlane.databaseUrl, 'DELETE FROM installations');
  await expect(restore('owner')).rejects.toThrow('this database holds no installation');
  expect(await signIn('owner', OWNER_PASSWORD)).toMatchObject({ status: 201 });
  expect(await recorded('owner')).toEqual([]);
});
