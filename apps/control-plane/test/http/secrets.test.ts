import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { OperatorClient, type Reply } from '../operator-client.ts';

const CANARY = 'canary-5b1d8c2e';
const path = '/groups/plant-7/secrets/db%2Fpassword';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  for (const name of ['plant-7', 'plant-8']) await owner.call('POST', '/groups', { name });
});
afterAll(() => controlPlane.end());

async function sql(statement: string): Promise<Record<string, unknown>[]> {
  let rows: Record<string, unknown>[] = [];
  await asAdmin(controlPlane.databaseUrl, async (client) => {
    rows = (await client.query<Record<string, unknown>>(statement)).rows;
  });
  return rows;
}

describe('secrets', () => {
  test('are created, versioned, listed without values, revealed and deleted', async () => {
    expect(await owner.call('PUT', path, { value: `${CANARY}-1` })).toMatchObject({
      status: 201,
      body: { name: 'db/password', version: 1, offline: 'deny' },
    });
    expect(await owner.call('PUT', path, { value: `${CANARY}-2`, offline: 'allow' })).toMatchObject(
      { status: 200, body: { version: 2, offline: 'allow' } },
    );
    const list = await owner.call('GET', '/groups/plant-7/secrets');
    expect(list.body).toMatchObject({ items: [{ name: 'db/password', version: 2 }] });
    expect(list.text).not.toContain(CANARY);
    expect((await owner.call('GET', `${path}/versions`)).body).toMatchObject({
      items: [{ version: 2 }, { version: 1 }],
    });
    expect((await owner.call('POST', `${path}/reveal`, {})).body).toEqual({
      name: 'db/password',
      version: 2,
      kind: 'stored',
      value: `${CANARY}-2`,
    });
    expect((await owner.call('POST', `${path}/reveal`, { version: 1 })).body).toMatchObject({
      value: `${CANARY}-1`,
    });
    expect(await owner.call('POST', `${path}/reveal`, { version: 9 })).toMatchObject({
      status: 404,
      body: { code: 'secret.version_not_found' },
    });
    expect((await owner.call('DELETE', path)).status).toBe(204);
    expect(await owner.call('GET', path)).toMatchObject({
      status: 404,
      body: { code: 'secret.not_found' },
    });
  });

  test('every reveal and every change is audited, and no value is', async () => {
    const events = await sql(
      `SELECT action, details FROM audit_events WHERE subject = 'secret:db/password' ORDER BY at, id`,
    );
    expect(events.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['secret:write', 'secret:reveal', 'secret:delete']),
    );
    expect(JSON.stringify(events)).not.toContain(CANARY);
  });

  test('[SG-15] a value leaves once the event of its reveal is written, and not before', async () => {
    await owner.call('PUT', '/groups/plant-7/secrets/waited-for', { value: CANARY });
    const replies: Reply[] = [];
    let revealed: Promise<unknown> | undefined;
    await whileHeld(controlPlane.databaseUrl, 'LOCK TABLE audit_events IN SHARE MODE', async () => {
      revealed = owner
        .call('POST', '/groups/plant-7/secrets/waited-for/reveal', {})
        .then((reply) => replies.push(reply));
      await lockWaits(controlPlane.databaseUrl);
      expect(replies).toEqual([]);
    });
    await revealed;
    expect(replies).toMatchObject([{ status: 200, body: { value: CANARY } }]);
  });

  test('[A7-08] the same value twice is different ciphertext, and the value itself is in no row', async () => {
    await owner.call('PUT', '/groups/plant-7/secrets/one', { value: CANARY });
    await owner.call('PUT', '/groups/plant-7/secrets/two', { value: CANARY });
    const rows = await sql(`SELECT encode(sealed_value, 'hex') AS sealed FROM secret_versions`);
    expect(new Set(rows.map(({ sealed }) => sealed)).size).toBe(rows.length);
    expect(JSON.stringify(rows)).not.toContain(Buffer.from(CANARY).toString('hex'));
  });

  test('[AT-18] [A7-09] a ciphertext moved to another row or group does not open', async () => {
    await owner.call('PUT', '/groups/plant-8/secrets/other', { value: 'of plant-8' });
    await sql(`UPDATE secret_versions v SET sealed_value = (
      SELECT v2.sealed_value FROM secret_versions v2 JOIN secrets s2 ON s2.id = v2.secret_id WHERE s2.name = 'one')
      FROM secrets s WHERE s.id = v.secret_id AND s.name IN ('two', 'other')`);
    for (const moved of ['plant-7/secrets/two', 'plant-8/secrets/other']) {
      const reply = await owner.call('POST', `/groups/${moved}/reveal`, {});
      expect(reply).toMatchObject({ status: 500, body: { code: 'envelope.unreadable' } });
      expect(reply.text).not.toContain(CANARY);
    }
    expect((await owner.call('POST', '/groups/plant-7/secrets/one/reveal', {})).body).toMatchObject(
      { value: CANARY },
    );
  });

  test('[A7-10] the keyring is wrapped: another root key is refused at start, by name', async () => {
    const { databaseUrl } = controlPlane;
    await expect(startControlPlane({ databaseUrl, rootKey: Buffer.alloc(32, 7) })).rejects.toThrow(
      /root key is not the one of this database/,
    );
  });
});

describe('a value that is restored', () => {
  const uri = 'vault://kv/plant-7/db#password';
  const putIn = async (group: string) => {
    await owner.call('POST', '/groups', { name: group });
    return (body: object) => owner.call('PUT', `/groups/${group}/secrets/db`, body);
  };
  const restore = (group: string, version: number, headers: Record<string, string> = {}) =>
    owner.call('POST', `/groups/${group}/secrets/db/restore`, { version }, headers);

  test('[SG-04] is that of an earlier version, in a new one that is sealed for itself, and nobody is shown it', async () => {
    const put = await putIn('restored');
    const agent = await agentIn(owner, 'restored', controlPlane);
    await put({ value: 'canary-one', offline: 'allow' });
    await owner.call('POST', '/groups/restored/keyring/rotate');
    await put({ value: 'canary-two' });
    const reply = await restore('restored', 1);
    expect(reply).toMatchObject({ status: 200, body: { version: 3, offline: 'allow' } });
    expect(reply.text).not.toContain('canary');
    expect(await agent.open(await agent.pull(10))).toEqual({ db: 'canary-one' });
    expect((await owner.call('GET', '/groups/restored/secrets/db/versions')).body).toMatchObject({
      items: [{ version: 3, createdBy: 'owner' }, { version: 2 }, { version: 1 }],
    });
    const [event] = await sql(`SELECT details FROM audit_events WHERE action = 'secret:restore'`);
    expect(event).toMatchObject({ details: { version: 3, from: 1, before: { version: 2 } } });
    expect(
      await sql(
        `SELECT FROM audit_events WHERE action = 'secret:reveal' AND subject = 'secret:db'`,
      ),
    ).toEqual([]);
  });

  test('is of a version that there is, and replaces what was read, when that is asked', async () => {
    const put = await putIn('unrestored');
    expect(await restore('unrestored', 1)).toMatchObject({
      status: 404,
      body: { code: 'secret.not_found' },
    });
    const read = { 'if-match': String((await put({ value: 'one' })).headers['etag']) };
    await put({ value: 'two' });
    expect(await restore('unrestored', 3)).toMatchObject({
      status: 404,
      body: { code: 'secret.version_not_found' },
    });
    expect(await restore('unrestored', 1, read)).toMatchObject({
      status: 412,
      body: { code: 'precondition.failed' },
    });
    expect((await owner.call('GET', '/groups/unrestored/secrets/db')).body).toMatchObject({
      version: 2,
    });
  });

  test('[AT-15] is no reference where the secret has a value, nor a value where it is a reference', async () => {
    const put = await putIn('kinds');
    await put({ value: 'canary' });
    await put({ reference: uri });
    const refused = { status: 409, body: { code: 'secret.other_kind' } };
    expect(await restore('kinds', 1)).toMatchObject(refused);
    expect((await restore('kinds', 2)).body).toMatchObject({ version: 3, kind: 'reference' });
    await put({ value: 'own' });
    const reply = await restore('kinds', 2);
    expect(reply).toMatchObject(refused);
    expect(reply.text).not.toContain('vault');
    expect((await owner.call('GET', '/groups/kinds/secrets/db')).body).toMatchObject({
      version: 4,
    });
  });
});

test('[AT-15] the newest version is what the secret is, also where a replica of an older release wrote it', async () => {
  await owner.call('PUT', '/groups/plant-7/secrets/older', { value: 'env://READS_LIKE_ONE' });
  await sql(`UPDATE secret_versions v SET kind = NULL FROM secrets s
    WHERE s.id = v.secret_id AND s.name = 'older'`);
  const older = '/groups/plant-7/secrets/older';
  expect((await owner.call('POST', `${older}/reveal`, {})).body).toMatchObject({ kind: 'stored' });
  expect((await owner.call('GET', `${older}/versions`)).body).toMatchObject({
    items: [{ kind: 'stored' }],
  });
  expect((await owner.call('POST', `${older}/restore`, { version: 1 })).status).toBe(200);
});

describe('bad input', () => {
  const put = (payload: string | object, headers?: Record<string, string>) =>
    owner.call('PUT', '/groups/plant-7/secrets/x', payload, headers);

  test.each([
    ['an unknown field', { value: CANARY, extra: 1 }, 400, 'request.invalid'],
    ['a wrong type', { value: 12 }, 400, 'request.invalid'],
    ['a missing value', {}, 400, 'request.invalid'],
    ['a value over 64 KiB', { value: CANARY.repeat(5_000) }, 400, 'request.invalid'],
    ['a body over the limit', { value: 'x'.repeat(300_000) }, 413, 'request.too_large'],
  ])(
    '%s is refused with a code, and the value is not echoed',
    async (_what, body, status, code) => {
      const reply = await put(body);
      expect(reply).toMatchObject({ status, body: { code } });
      expect(reply.text).not.toContain(CANARY);
      expect(reply.headers['content-type']).toBe('application/problem+json');
    },
  );

  test('malformed JSON and another media type are refused', async () => {
    expect(await put(`{"value": "${CANARY}`, { 'content-type': 'application/json' })).toMatchObject(
      { status: 400, body: { code: 'request.malformed_json' } },
    );
    expect(
      await put('value=x', { 'content-type': 'application/x-www-form-urlencoded' }),
    ).toMatchObject({ status: 415 });
  });

  test('an unknown group, a bad name and an unknown route are refused', async () => {
    expect(await owner.call('PUT', '/groups/nowhere/secrets/x', { value: 'v' })).toMatchObject({
      status: 404,
      body: { code: 'group.not_found' },
    });
    expect(await owner.call('PUT', '/groups/plant-7/secrets/..%2Fx', { value: 'v' })).toMatchObject(
      { status: 400 },
    );
    expect(await owner.call('GET', '/nothing-here')).toMatchObject({
      status: 404,
      body: { code: 'request.not_found' },
    });
    expect(await owner.call('POST', '/groups', { name: 'plant-7' })).toMatchObject({
      status: 409,
      body: { code: 'group.exists' },
    });
  });

  test('an unknown field is told of without its name and value, either of which may be a secret', async () => {
    for (const body of [
      { value: 'v', extra: CANARY },
      { value: 'v', [CANARY]: 1 },
    ]) {
      const reply = await put(body);
      expect(reply).toMatchObject({
        status: 400,
        body: {
          detail: 'The request is not valid: see body.',
          issues: [
            {
              field: 'body',
              message: expect.stringContaining('known are value, reference, offline'),
            },
          ],
        },
      });
      for (const told of ['extra', CANARY]) expect(reply.text).not.toContain(told);
    }
  });

  test('no log line carries a value, though each refusal is there', () => {
    for (const code of ['request.invalid', 'request.malformed_json', 'request.too_large'])
      expect(controlPlane.logged()).toContain(`"code":"${code}"`);
    expect(controlPlane.logged()).toContain('see body.');
    expect(controlPlane.logged()).not.toContain(CANARY);
  });
});
