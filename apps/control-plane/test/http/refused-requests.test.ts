import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';

const SECRET = 'hunter2secret';
const plugin = '/groups/plant-7/plugins/p';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
});
afterAll(() => controlPlane.end());

describe('[AT-19] a field that is not known', () => {
  test.each([
    ['in a body', 'POST', '/sessions', { name: 'owner', password: 'p', [SECRET]: 1 }, 'body'],
    ['alone in a body', 'POST', '/groups', { [SECRET]: 1 }, 'body'],
    ['deep in a body', 'POST', '/operators', { roles: [{ [SECRET]: 1 }] }, 'body.roles.0'],
    ['beside a plugin’s configuration', 'PUT', plugin, { config: {}, [SECRET]: 1 }, 'body'],
    ['in a query', 'GET', `/groups?${SECRET}=1`, undefined, 'querystring'],
  ] as const)(
    '%s is refused, and its name is not repeated',
    async (_, method, path, body, field) => {
      const reply = await owner.call(method, path, body);
      expect(reply).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
      expect(reply.body).toMatchObject({
        issues: expect.arrayContaining([expect.objectContaining({ field })]),
      });
      expect(reply.text).not.toContain(SECRET);
      expect(controlPlane.logged()).not.toContain(SECRET);
    },
  );

  test('is told of by what is known in its place, and how many there are', async () => {
    const reply = await owner.call('POST', '/groups', { name: 'a', nam: 'a', label: 'b' });
    expect(reply.body).toMatchObject({
      issues: [{ field: 'body', message: 'has 2 fields that are not known here; known are name' }],
    });
  });

  test('of an agent’s request is not repeated either', async () => {
    const agent = await AgentClient.create(controlPlane.agentApp, controlPlane.clock);
    const reply = await agent.enroll('sp_enroll_', { [SECRET]: 1 });
    expect(reply).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
    expect(JSON.stringify(reply.body)).not.toContain(SECRET);
  });
});

test.each(['1e400', '12345678901234567890', '-9007199254740993'])(
  '[F-23] a number that would be stored as another is refused by the place of the configuration, not by its key: %s',
  async (number) => {
    const headers = { 'content-type': 'application/json' };
    const body = `{"config":{"a":[{"${SECRET}":${number}}]}}`;
    for (const method of ['PUT', 'PATCH'] as const) {
      const reply = await owner.call(method, plugin, body, headers);
      expect(reply).toMatchObject({ status: 400, body: { issues: [{ field: 'body.config' }] } });
      expect(reply.text).not.toContain(SECRET);
    }
  },
);

test('a number that keeps its digits is stored as it came', async () => {
  const config = { most: 9007199254740991, least: -9007199254740991, part: 0.1, high: 1e15 };
  const reply = await owner.call('PUT', `${plugin}-2`, { config });
  expect(reply).toMatchObject({ status: 201, body: { config } });
});

test('[F-23] a request that is wrong in 20,000 places is told of a few', async () => {
  const names = Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`a${at}`, 1]));
  const unknown = await owner.call('POST', '/sessions', names);
  expect(unknown.status).toBe(400);
  expect(unknown.text.length).toBeLessThan(2_000);
});

test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
  '[F-23] a body that a page of another site may send unasked is refused: %s',
  async (type) => {
    const headers = { 'content-type': type };
    for (const path of ['/sessions', '/groups', '/me/totp'])
      expect(await owner.call('POST', path, '{"name":"forged"}', headers)).toMatchObject({
        status: 415,
        body: { code: 'request.unsupported_media_type' },
      });
  },
);

test('[F-23] a method that a path does not have is answered with those that it has', async () => {
  const told = { statusCode: 405, headers: { allow: 'GET, POST' } };
  const { operatorApp, agentApp } = controlPlane;
  for (const method of ['HEAD', 'OPTIONS', 'DELETE'] as const)
    expect(await operatorApp.inject({ method, url: '/api/v1/groups?limit=1' })).toMatchObject(told);
  const reveal = await owner.call('GET', '/groups/plant-7/secrets/db%2Fs/reveal');
  expect(reveal).toMatchObject({
    status: 405,
    headers: { allow: 'POST' },
    body: { code: 'request.method_not_allowed', detail: 'This path takes POST.' },
  });
  expect(await agentApp.inject({ method: 'PUT', url: '/agent/v1/pull' })).toMatchObject({
    statusCode: 405,
    headers: { allow: 'POST' },
  });
  expect((await owner.call('DELETE', '/groups/plant-7/secrets/s/none')).status).toBe(404);
});

test('[F-23] a body of another media type is answered with those that the path takes', async () => {
  const headers = { 'content-type': 'application/xml' };
  expect(await owner.call('POST', '/groups', '<a/>', headers)).toMatchObject({
    status: 415,
    headers: { accept: 'application/json' },
  });
  expect(await owner.call('PATCH', plugin, '<a/>', headers)).toMatchObject({
    status: 415,
    headers: { 'accept-patch': 'application/merge-patch+json, application/json' },
    body: { detail: 'Send the body as application/merge-patch+json or application/json.' },
  });
});

test('a 401 names the schemes of the API that answers, whatever was wrong', async () => {
  const stranger = new OperatorClient(controlPlane.operatorApp);
  const bearer = { status: 401, headers: { 'www-authenticate': 'Bearer realm="sallyport"' } };
  expect(await stranger.call('GET', '/me')).toMatchObject(bearer);
  const wrong = { name: 'owner', password: 'wrong' };
  expect(await stranger.call('POST', '/sessions', wrong)).toMatchObject(bearer);
  stranger.token = 'sp_key_bogus';
  expect(await stranger.call('GET', '/me')).toMatchObject(bearer);
  const reply = await controlPlane.agentApp.inject({ method: 'POST', url: '/agent/v1/pull' });
  const either = 'DPoP algs="EdDSA", Bearer realm="sallyport"';
  expect(reply).toMatchObject({ statusCode: 401, headers: { 'www-authenticate': either } });
});
