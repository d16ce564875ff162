import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hashTokenSecret } from '@sallyport/crypto/token-hash';
import { asAdmin } from '@sallyport/testkit/database';
import { FAILURES_BEFORE_LOCK } from '../../src/operators/sign-in-failures.ts';
import type { ServerConfig } from '../../src/platform/config.ts';
import {
  LIGHT_HASHES,
  OWNER_PASSWORD,
  startControlPlane,
  type TestControlPlane,
} from '../control-plane.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

const NEW_PASSWORD = 'a new correct horse battery';
const PBKDF2 = new RegExp(`^\\$pbkdf2-sha512\\$i=${LIGHT_HASHES.pbkdf2Iterations}\\$`);
const wrong = { status: 401, body: { code: 'credentials.wrong' } };

let controlPlane: TestControlPlane;
beforeAll(async () => {
  controlPlane = await startControlPlane();
});
afterAll(() => controlPlane.end());

function signIn(at: TestControlPlane, password: string, name = 'owner'): Promise<Reply> {
  return new OperatorClient(at.operatorApp).call('POST', '/sessions', { name, password });
}

async function storedHash(name = 'owner'): Promise<string> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    const sql = 'SELECT password_hash FROM operators WHERE name = $1';
    return String((await client.query(sql, [name])).rows[0]?.['password_hash']);
  });
}

async function storeHash(hash: string, name = 'owner'): Promise<void> {
  await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query('UPDATE operators SET password_hash = $1 WHERE name = $2', [hash, name]),
  );
}

/** A replica that is configured otherwise. */
async function withReplica(
  settings: Partial<ServerConfig>,
  work: (replica: TestControlPlane) => Promise<void>,
): Promise<void> {
  const { databaseUrl, rootKey, clock } = controlPlane;
  const replica = await startControlPlane({
    databaseUrl,
    rootKey,
    startMs: clock.now(),
    settings,
  });
  try {
    await work(replica);
  } finally {
    await replica.end();
  }
}

describe('[AX-18] one’s own password', () => {
  test('is changed by who knows it, which ends the other sessions', async () => {
    const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    const elsewhere = await OperatorClient.signedIn(controlPlane.operatorApp);
    const change = (passwords: object) => owner.call('POST', '/me/password', passwords);
    expect(await change({ current: 'wrong', new: NEW_PASSWORD })).toMatchObject(wrong);
    expect(await change({ current: OWNER_PASSWORD, new: 'too short' })).toMatchObject({
      status: 400,
      body: { issues: [{ field: 'body.new' }] },
    });
    expect(await change({ current: OWNER_PASSWORD, new: OWNER_PASSWORD })).toMatchObject({
      status: 400,
      body: { issues: [{ field: 'body.new', message: 'use another than the present one' }] },
    });
    expect((await elsewhere.call('GET', '/me')).status).toBe(200);
    expect((await change({ current: OWNER_PASSWORD, new: NEW_PASSWORD })).status).toBe(204);
    expect((await owner.call('GET', '/me')).status).toBe(200);
    expect(await elsewhere.call('GET', '/me')).toMatchObject({ status: 401 });
    expect(await signIn(controlPlane, OWNER_PASSWORD)).toMatchObject(wrong);
    expect((await signIn(controlPlane, NEW_PASSWORD)).status).toBe(201);
    await change({ current: NEW_PASSWORD, new: OWNER_PASSWORD });
    for (const secret of [OWNER_PASSWORD, NEW_PASSWORD])
      expect(controlPlane.logged()).not.toContain(secret);
  });

  test('cannot be guessed through a session that was left open: failures lock the name, until an owner resets it', async () => {
    const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    const other = { name: 'other', password: OWNER_PASSWORD };
    await owner.call('POST', '/operators', other);
    const client = await OperatorClient.signedIn(controlPlane.operatorApp, other);
    const guess = (current: string) =>
      client.call('POST', '/me/password', { current, new: NEW_PASSWORD });
    for (let failure = 1; failure < FAILURES_BEFORE_LOCK; failure += 1)
      expect(await guess('wrong')).toMatchObject(wrong);
    const locked = { status: 429, body: { code: 'operator.locked' } };
    expect(await guess('wrong')).toMatchObject(locked);
    expect(await guess(OWNER_PASSWORD)).toMatchObject(locked);
    expect(await signIn(controlPlane, OWNER_PASSWORD, 'other')).toMatchObject(locked);
    const password = { password: NEW_PASSWORD };
    expect((await owner.call('PUT', '/operators/other/password', password)).status).toBe(204);
    expect(await signIn(controlPlane, OWNER_PASSWORD, 'other')).toMatchObject(wrong);
    expect((await signIn(controlPlane, NEW_PASSWORD, 'other')).status).toBe(201);
  });

  test('is not changed by who knew the one before, where it was reset meanwhile', async () => {
    const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    const reset = `UPDATE operators SET password_hash = 'reset' WHERE name = 'owner'`;
    const before = await storedHash();
    const changes: Promise<Reply>[] = [];
    await whileHeld(controlPlane.databaseUrl, reset, async () => {
      const passwords = { current: OWNER_PASSWORD, new: NEW_PASSWORD };
      changes.push(owner.call('POST', '/me/password', passwords));
      await lockWaits(controlPlane.databaseUrl);
    });
    expect(await Promise.all(changes)).toMatchObject([wrong]);
    expect(await storedHash()).toBe('reset');
    await storeHash(before);
  });
});

describe('[A7-18] how a password is hashed', () => {
  test('follows the configuration at the next sign-in, and the number of iterations, and is then left as it is', async () => {
    expect(await storedHash()).toMatch(/^\$argon2id\$/);
    await withReplica({ passwordHash: 'pbkdf2' }, async (replica) => {
      expect(await signIn(replica, 'wrong')).toMatchObject(wrong);
      expect(await storedHash()).toMatch(/^\$argon2id\$/);
      expect((await signIn(replica, OWNER_PASSWORD)).status).toBe(201);
      expect(await storedHash()).toMatch(PBKDF2);
      await storeHash(await hashTokenSecret(OWNER_PASSWORD, 999));
      expect((await signIn(replica, OWNER_PASSWORD)).status).toBe(201);
      expect(await storedHash()).toMatch(PBKDF2);
    });
    expect((await signIn(controlPlane, OWNER_PASSWORD)).status).toBe(201);
    const renewed = await storedHash();
    expect(renewed).toMatch(/^\$argon2id\$/);
    expect((await signIn(controlPlane, OWNER_PASSWORD)).status).toBe(201);
    expect(await storedHash()).toBe(renewed);
  });

  test('is PBKDF2 alone with fips: argon2id is refused like a wrong password, until an owner resets it', async () => {
    await signIn(controlPlane, OWNER_PASSWORD);
    const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
    await owner.call('POST', '/operators', { name: 'old', password: OWNER_PASSWORD });
    const roles = [{ role: 'owner', group: null }];
    const key = field((await owner.call('POST', '/api-keys', { name: 'k', roles })).body, 'key');
    await withReplica({ fips: true }, async (replica) => {
      const refused = await signIn(replica, OWNER_PASSWORD, 'old');
      expect(refused).toMatchObject(wrong);
      const unknown = await signIn(replica, OWNER_PASSWORD, 'nobody-here');
      expect(field(refused.body, 'detail')).toBe(field(unknown.body, 'detail'));
      expect(replica.logged()).toContain('an owner must reset it');

      const automation = new OperatorClient(replica.operatorApp);
      automation.token = key;
      const body = { password: NEW_PASSWORD };
      expect((await automation.call('PUT', '/operators/old/password', body)).status).toBe(204);
      expect(await storedHash('old')).toMatch(PBKDF2);
      expect((await signIn(replica, NEW_PASSWORD, 'old')).status).toBe(201);
      expect(await signIn(replica, OWNER_PASSWORD, 'old')).toMatchObject(wrong);
    });
  });

  test('is PBKDF2 from the first start with fips', async () => {
    const fresh = await startControlPlane({ settings: { fips: true } });
    try {
      expect((await signIn(fresh, OWNER_PASSWORD)).status).toBe(201);
      expect(await signIn(fresh, 'wrong')).toMatchObject(wrong);
    } finally {
      await fresh.end();
    }
  });
});
