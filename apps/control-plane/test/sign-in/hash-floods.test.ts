import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { HASH_COSTS } from '@sallyport/crypto/password';
import { formatToken, mintToken } from '@sallyport/crypto/token';
import { asAdmin } from '@sallyport/testkit/database';
import { AgentClient } from '../agent-client.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ hashCosts: HASH_COSTS });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
});
afterAll(() => controlPlane.end());

const tokens = '/groups/plant-7/enrollment-tokens';
const newToken = async () => (await owner.call('POST', tokens, {})).body;
const newAgent = () => AgentClient.create(controlPlane.agentApp, controlPlane.clock);

/** Rows of the database under test. */
async function query(sql: string): Promise<Record<string, unknown>[]> {
  return asAdmin(
    controlPlane.databaseUrl,
    async (client) => (await client.query<Record<string, unknown>>(sql)).rows,
  );
}

test('[A7-03] [A7-19] hashes cost as much as they are said to, unless somebody asks for others', async () => {
  await newToken();
  const rows = await query(
    'SELECT secret_hash AS hash FROM enrollment_tokens UNION SELECT secret_hash FROM operator_sessions',
  );
  expect(rows.length).toBeGreaterThan(1);
  for (const { hash } of rows)
    expect(hash).toMatch(/^\$pbkdf2-sha512\$i=210000\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{86}$/);
  for (const { hash } of await query('SELECT password_hash AS hash FROM operators'))
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=65536,(?:t=3,p=4|p=4,t=3)\$/);
});

test('[AX-17] who holds a used-up token fills the audit no faster than tokens are checked', async () => {
  const created = await newToken();
  const token = field(created, 'token');
  const agent = await newAgent();
  expect((await agent.enroll(token)).status).toBe(201);
  const attempts = Array.from({ length: 50 }, () => agent.enroll(token));
  const codes = (await Promise.all(attempts)).map(({ body }) => field(body, 'code'));
  expect(new Set(codes)).toEqual(new Set(['token.used_up', 'hashing.busy']));
  const subject = `enrollment-token:${field(created, 'id')}`;
  const [audited] = await query(
    `SELECT count(*)::int AS refused FROM audit_events WHERE outcome = 'refused' AND subject = '${subject}'`,
  );
  expect(audited).toEqual({ refused: codes.filter((code) => code === 'token.used_up').length });
}, 60_000);

test('[F-09] of fifty agents that race one single-use token exactly one wins, and 49 refusals are audited', async () => {
  const created = await newToken();
  const token = field(created, 'token');
  const racers = await Promise.all(Array.from({ length: 50 }, newAgent));
  const replies = await Promise.all(racers.map((racer) => racer.enroll(token)));
  expect(replies.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(
    new Set(replies.filter(({ status }) => status !== 201).map(({ body }) => field(body, 'code'))),
  ).toEqual(new Set(['token.used_up']));
  const subject = `enrollment-token:${field(created, 'id')}`;
  expect(
    await query(
      `SELECT count(*)::int AS refused FROM audit_events WHERE outcome = 'refused' AND subject = '${subject}'`,
    ),
  ).toEqual([{ refused: 49 }]);
}, 60_000);

test('[F-09] of two agents that take the last use of a token in the same moment at two replicas exactly one wins', async () => {
  const { databaseUrl, rootKey, clock } = controlPlane;
  const settings = WITHOUT_WORKER;
  const second = await startControlPlane({ databaseUrl, rootKey, startMs: clock.now(), settings });
  try {
    const created = await newToken();
    const racers = [await newAgent(), await AgentClient.create(second.agentApp, second.clock)];
    // An agent's row may refer to it meanwhile, and what takes a use waits.
    const row = `SELECT FROM enrollment_tokens WHERE id = '${field(created, 'id')}' FOR NO KEY UPDATE`;
    let replies: Promise<Reply>[] = [];
    await whileHeld(databaseUrl, row, async () => {
      replies = racers.map((racer) => racer.enroll(field(created, 'token')));
      await lockWaits(databaseUrl, racers.length);
    });
    const told = (await Promise.all(replies)).toSorted((a, b) => a.status - b.status);
    expect(told).toMatchObject([{ status: 201 }, { status: 401, body: { code: 'token.used_up' } }]);
  } finally {
    await second.end();
  }
}, 60_000);

test.each([
  ['is used up', async (created: unknown) => (await newAgent()).enroll(field(created, 'token'))],
  ['is revoked', (created: unknown) => owner.call('DELETE', `${tokens}/${field(created, 'id')}`)],
])(
  'a flood of forgeries of a token that %s is refused beyond what may wait, and locks out no operator',
  async (_, end) => {
    const operator = await OperatorClient.signedIn(controlPlane.operatorApp);
    const created = await newToken();
    await end(created);
    const forger = await newAgent();
    const forgeries = Array.from({ length: 100 }, () =>
      forger.enroll(formatToken(mintToken('enroll', field(created, 'id')))),
    );
    const refused = await Promise.race(forgeries);
    expect(refused).toMatchObject({ status: 429, body: { code: 'hashing.busy' } });
    expect(await operator.call('GET', '/me')).toMatchObject({ status: 200 });
    const codes = (await Promise.all(forgeries)).map(({ body }) => field(body, 'code'));
    expect(new Set(codes)).toEqual(new Set(['token.unknown', 'hashing.busy']));
  },
  60_000,
);

test('[F-12] in a flood of forgeries the next is refused before anything else of it is looked at, and a token that was checked a moment ago goes on', async () => {
  const created = (await owner.call('POST', tokens, { uses: 2 })).body;
  const token = field(created, 'token');
  expect((await (await newAgent()).enroll(token)).status).toBe(201);
  const forger = await newAgent();
  const forge = (change: Record<string, unknown> = {}) =>
    forger.enroll(formatToken(mintToken('enroll', field(created, 'id'))), change);
  const unproven = { encryptionKey: (await newAgent()).encryption.publicJwk };
  expect((await forge(unproven)).body).toMatchObject({ code: 'proof.invalid' });
  const flood = Array.from({ length: 100 }, () => forge());
  await Promise.race(flood);
  const [refused, enrolled] = await Promise.all([
    forge(unproven),
    newAgent().then((agent) => agent.enroll(token)),
  ]);
  expect(refused).toMatchObject({ status: 429, body: { code: 'hashing.busy' } });
  expect(enrolled.status).toBe(201);
  await Promise.all(flood);
}, 60_000);

test('[AX-17] a flood of forgeries of one token leaves room for who holds another', async () => {
  const id = field(await newToken(), 'id');
  await owner.call('DELETE', `${tokens}/${id}`);
  const forger = await newAgent();
  const forge = () => forger.enroll(formatToken(mintToken('enroll', id)));
  const flood = Array.from({ length: 100 }, forge);
  await Promise.race(flood);
  const other = field(await newToken(), 'token');
  expect((await (await newAgent()).enroll(other)).status).toBe(201);
  const codes = (await Promise.all(flood)).map(({ body }) => field(body, 'code'));
  expect(new Set(codes)).toEqual(new Set(['token.unknown', 'hashing.busy']));
}, 60_000);

test('a flood of guesses holds up nobody who makes operators or resets a password', async () => {
  const guesses = Array.from({ length: 40 }, (_, at) =>
    new OperatorClient(controlPlane.operatorApp).call('POST', '/sessions', {
      name: `nobody-${at}`,
      password: 'a guess',
    }),
  );
  expect(await Promise.race(guesses)).toMatchObject({ status: 429 });
  const peggy = { name: 'peggy', password: 'the first password', roles: [] };
  expect((await owner.call('POST', '/operators', peggy)).status).toBe(201);
  expect(
    (await owner.call('PUT', '/operators/peggy/password', { password: 'the new password!' }))
      .status,
  ).toBe(204);
  await Promise.all(guesses);
}, 60_000);
