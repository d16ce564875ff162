import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { listedSession, page } from '@sallyport/contract';
import { OWNER_PASSWORD, startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { field, OperatorClient } from '../operator-client.ts';

const MINUTE_MS = 60_000;
const credentials = { name: 'owner', password: OWNER_PASSWORD };
const ended = { status: 401, body: { code: 'session.invalid' } };

let controlPlane: TestControlPlane;
let replica: TestControlPlane;
let here: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  const { databaseUrl, rootKey, clock } = controlPlane;
  replica = await startControlPlane({ databaseUrl, rootKey, startMs: clock.now() });
});
beforeEach(async () => {
  here = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(async () => {
  await replica.end();
  await controlPlane.end();
});

async function sessionsOf(client: OperatorClient) {
  return page(listedSession).parse((await client.call('GET', '/sessions')).body).items;
}

/** The same operator at another replica. */
function atReplica({ token }: OperatorClient): OperatorClient {
  const client = new OperatorClient(replica.operatorApp);
  client.token = token;
  return client;
}

describe('[AX-18] [AT-10] an operator’s sessions', () => {
  test('are listed: where each was opened, when it was used to the minute, and which one asks', async () => {
    const there = new OperatorClient(controlPlane.operatorApp);
    there.remoteAddress = '192.0.2.7';
    there.token = field((await there.call('POST', '/sessions', credentials)).body, 'token');
    const openedAt = new Date(controlPlane.clock.now()).toISOString();
    controlPlane.clock.advance(MINUTE_MS - 1);
    await there.call('GET', '/me');
    const [newest, before] = await sessionsOf(here);
    expect(newest).toMatchObject({
      address: '192.0.2.7',
      createdAt: openedAt,
      lastUsedAt: openedAt,
      current: false,
    });
    expect(before).toMatchObject({ address: '127.0.0.1', current: true });
    controlPlane.clock.advance(1);
    await there.call('GET', '/me');
    const now = new Date(controlPlane.clock.now()).toISOString();
    expect((await sessionsOf(here))[0]).toMatchObject({ lastUsedAt: now });
    const second = await here.call('GET', `/sessions?limit=1&cursor=${newest?.id}`);
    expect(second.body).toMatchObject({ items: [{ id: before?.id }] });
  });

  test('end one by one, at every replica with the next request; another’s cannot be ended', async () => {
    const there = await OperatorClient.signedIn(controlPlane.operatorApp);
    expect((await atReplica(there).call('GET', '/me')).status).toBe(200);
    const id = (await sessionsOf(there)).find(({ current }) => current)?.id ?? '';

    const other = { name: 'other', password: OWNER_PASSWORD };
    await here.call('POST', '/operators', other);
    const stranger = await OperatorClient.signedIn(controlPlane.operatorApp, other);
    const missing = { status: 404, body: { code: 'session.not_found' } };
    expect(await stranger.call('DELETE', `/sessions/${id}`)).toMatchObject(missing);
    expect((await sessionsOf(stranger)).map(({ id: own }) => own)).not.toContain(id);
    expect((await atReplica(there).call('GET', '/me')).status).toBe(200);

    expect((await here.call('DELETE', `/sessions/${id}`)).status).toBe(204);
    expect(await atReplica(there).call('GET', '/me')).toMatchObject(ended);
    expect(await there.call('GET', '/me')).toMatchObject(ended);
    expect((await here.call('GET', '/me')).status).toBe(200);
    expect(await here.call('DELETE', `/sessions/${id}`)).toMatchObject(missing);
  });

  test('end all at once, at every replica; those of others go on', async () => {
    const there = await OperatorClient.signedIn(controlPlane.operatorApp);
    const other = { name: 'another', password: OWNER_PASSWORD };
    await here.call('POST', '/operators', other);
    const stranger = await OperatorClient.signedIn(controlPlane.operatorApp, other);
    expect((await atReplica(there).call('GET', '/me')).status).toBe(200);
    expect((await here.call('DELETE', '/sessions')).status).toBe(204);
    for (const client of [here, there, atReplica(there)])
      expect(await client.call('GET', '/me')).toMatchObject(ended);
    expect((await stranger.call('GET', '/me')).status).toBe(200);
  });

  test('end when they are not used for an hour, and last while they are', async () => {
    const idle = await OperatorClient.signedIn(controlPlane.operatorApp);
    for (let half = 0; half < 3; half += 1) {
      controlPlane.clock.advance(30 * MINUTE_MS);
      expect((await here.call('GET', '/me')).status).toBe(200);
    }
    expect(await idle.call('GET', '/me')).toMatchObject(ended);
    expect((await sessionsOf(here)).filter(({ current }) => !current)).toEqual([]);
  });
});

describe('[AX-18] a session by cookie', () => {
  const csrf = { 'x-sallyport-csrf': '1' };
  const sameOrigin = { ...csrf, 'sec-fetch-site': 'same-origin', host: 'sallyport.test' };

  async function cookieOf(): Promise<{ cookie: string }> {
    const reply = await new OperatorClient(controlPlane.operatorApp).call(
      'POST',
      '/sessions',
      { ...credentials, cookie: true },
      sameOrigin,
    );
    const [cookie = ''] = String(reply.headers['set-cookie']).split(';');
    return { cookie };
  }

  test('is opened with a cookie that scripts cannot read and other sites do not send; its token is not in the body', async () => {
    const browser = new OperatorClient(controlPlane.operatorApp);
    const body = { ...credentials, cookie: true };
    const reply = await browser.call('POST', '/sessions', body, sameOrigin);
    expect(reply).toMatchObject({ status: 201, body: { operator: { name: 'owner' } } });
    expect(reply.text).not.toContain('sp_session_');
    expect(reply.headers['set-cookie']).toMatch(
      /^__Host-sallyport=sp_session_\w+; Path=\/; Secure; HttpOnly; SameSite=Strict$/,
    );
    expect(await browser.call('POST', '/sessions', body)).toMatchObject({
      status: 403,
      body: { code: 'csrf.refused' },
    });
  });

  test('reads without more, and changes something from its own origin alone, with the header', async () => {
    const browser = new OperatorClient(controlPlane.operatorApp);
    const cookie = await cookieOf();
    expect((await browser.call('GET', '/me', undefined, cookie)).status).toBe(200);
    const change = (headers: Record<string, string>) =>
      browser.call(
        'POST',
        '/groups',
        { name: 'plant-7' },
        { host: 'sallyport.test', ...cookie, ...headers },
      );
    const origin = 'https://sallyport.test';
    const forged: Record<string, string>[] = [
      {},
      csrf,
      { origin },
      { 'sec-fetch-site': 'same-origin' },
      { ...csrf, origin: 'https://evil.test' },
      { ...csrf, origin: 'http://sallyport.test' },
      { ...csrf, origin: 'null' },
      { ...csrf, 'sec-fetch-site': 'cross-site' },
      { ...csrf, 'sec-fetch-site': 'same-site' },
      { ...csrf, 'sec-fetch-site': 'none' },
      { ...csrf, origin: 'https://evil.test', 'sec-fetch-site': 'same-origin' },
      { ...csrf, origin, 'sec-fetch-site': 'cross-site' },
      { 'x-sallyport-csrf': '0', origin, 'sec-fetch-site': 'same-origin' },
    ];
    for (const headers of forged)
      expect({ headers, reply: await change(headers) }).toMatchObject({
        reply: { status: 403, body: { code: 'csrf.refused' } },
      });
    expect((await change({ ...csrf, origin })).status).toBe(201);
    const again = { status: 409, body: { code: 'group.exists' } };
    expect(await change({ ...csrf, 'sec-fetch-site': 'same-origin' })).toMatchObject(again);
  });

  test('ends with its cookie when it signs out', async () => {
    const browser = new OperatorClient(controlPlane.operatorApp);
    const cookie = await cookieOf();
    const headers = { ...sameOrigin, ...cookie };
    const reply = await browser.call('DELETE', '/sessions/current', undefined, headers);
    expect(reply.status).toBe(204);
    expect(reply.headers['set-cookie']).toMatch(/^__Host-sallyport=; .*Max-Age=0$/);
    expect(await browser.call('GET', '/me', undefined, cookie)).toMatchObject(ended);
  });

  test.each([
    ['an API key', (token: string) => `__Host-sallyport=${token.replace('session', 'key')}`],
    ['two tokens', (token: string) => `__Host-sallyport=${token}; __Host-sallyport=${token}`],
    ['another name', (token: string) => `sallyport=${token}`],
  ])('is not opened by a cookie of %s', async (_, cookie) => {
    const browser = new OperatorClient(controlPlane.operatorApp);
    const headers = { cookie: cookie(here.token ?? '') };
    expect(await browser.call('GET', '/me', undefined, headers)).toMatchObject({ status: 401 });
  });
});
