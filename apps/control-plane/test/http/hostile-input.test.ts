import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';

const json = { 'content-type': 'application/json' };
const group = '/groups/plant-7';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let agent: AgentClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  agent = await agentIn(owner, 'plant-7', controlPlane);
  await owner.call('PUT', `${group}/secrets/a`, { value: 'v' });
});
afterAll(() => controlPlane.end());

const refused = { status: 400, body: { code: 'request.invalid' } };

describe('[F-23] a cursor that no list gave out is refused', () => {
  test.each([
    '/groups?cursor=%00',
    `${group}/secrets?cursor=%00`,
    `${group}/plugins?cursor=..%2F`,
    `${group}/agents?cursor=plant-7`,
    `${group}/enrollment-tokens?cursor=1`,
    `${group}/secrets/a/versions?cursor=1e400`,
    `${group}/secrets/a/versions?cursor=99999999999999`,
  ])('%s', async (path) => {
    expect(await owner.call('GET', path)).toMatchObject(refused);
  });

  test.each(['/tasks?cursor=x', '/tasks?cursor=%00'])('of an agent: %s', async (path) => {
    expect(await owner.call('GET', `/agents/${agent.id}${path}`)).toMatchObject(refused);
  });
});

describe('[F-23] what no column can be compared with is refused', () => {
  test.each([
    '/audit?subject=%00',
    '/audit?since=0000-01-01T00:00:00Z',
    `${group}/certificates?expiresBefore=0000-12-31T23:59:59Z`,
  ])('%s', async (path) => {
    expect(await owner.call('GET', path)).toMatchObject(refused);
  });

  test('but the first instant that there is can be', async () => {
    const reply = await owner.call('GET', '/audit?until=0001-01-01T00:00:00Z');
    expect(reply).toMatchObject({ status: 200, body: { items: [] } });
  });
});

describe('[F-23] a number that no column holds is refused', () => {
  test('as the version of a plugin type', async () => {
    const path = `/plugin-types/generic?version=${2 ** 31}`;
    expect(await owner.call('GET', path)).toMatchObject(refused);
  });

  test('as the version to reveal', async () => {
    const body = { version: 2 ** 31 };
    expect(await owner.call('POST', `${group}/secrets/a/reveal`, body)).toMatchObject(refused);
  });

  test.each(['0', '2147483648', '99999999999', '1e3', '0x10', '+1', '01', '1.0', '%201', '-1'])(
    'as the revision whose bundle an agent fetches: %s',
    async (revision) => {
      const reply = await agent.call('GET', `/revisions/${revision}/bundle`);
      expect(reply).toMatchObject(refused);
    },
  );

  test('but the largest that the column holds is looked for', async () => {
    const reply = await agent.call('GET', `/revisions/${2 ** 31 - 1}/bundle`);
    expect(reply).toMatchObject({ status: 404, body: { code: 'bundle.not_found' } });
  });

  test.each(['revision', 'epoch'])(
    'as the %s an agent runs, whose word would be lost with everybody’s',
    async (name) => {
      const body = {
        protocol: 1,
        revision: 0,
        epoch: 0,
        status: 'ready',
        waitSeconds: 0,
        taskCapacity: 0,
        [name]: 2 ** 31,
      };
      expect(await agent.call('POST', '/pull', body)).toMatchObject(refused);
    },
  );
});

describe('[F-23] text that would not be stored as it came is refused', () => {
  test('half a surrogate pair in a secret’s value', async () => {
    const body = '{"value":"a\\ud800b"}';
    expect(await owner.call('PUT', `${group}/secrets/half`, body, json)).toMatchObject({
      ...refused,
      body: { issues: [{ field: 'body.value' }] },
    });
    expect(await owner.call('GET', `${group}/secrets/half`)).toMatchObject({ status: 404 });
  });

  test('a whole pair, and NUL, come back as they were', async () => {
    const value = 'a\0b🔑';
    await owner.call('PUT', `${group}/secrets/whole`, { value });
    expect(await owner.call('POST', `${group}/secrets/whole/reveal`, {})).toMatchObject({
      body: { value },
    });
  });

  test.each([
    ['NUL in a value', '{"a":{"b":["x\\u0000"]}}'],
    ['NUL in a key', '{"x\\u0000":1}'],
    ['half a surrogate pair', '{"a":"\\udc00"}'],
    ['33 levels', `{"a":${'['.repeat(32)}${']'.repeat(32)}}`],
    ['100,000 levels', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ])('%s in a plugin’s configuration', async (_, config) => {
    const reply = await owner.call('PUT', `${group}/plugins/p`, `{"config":${config}}`, json);
    expect(reply).toMatchObject(refused);
  });

  test('32 levels in a plugin’s configuration are kept', async () => {
    const config = `{"a":${'['.repeat(31)}${']'.repeat(31)}}`;
    const reply = await owner.call('PUT', `${group}/plugins/p`, `{"config":${config}}`, json);
    expect(reply).toMatchObject({ status: 201, body: { config: JSON.parse(config) } });
  });

  test('NUL and half a surrogate pair in what an agent says of its host', async () => {
    const facts = { agentVersion: '1\0', platform: '\ud800', architecture: 'x', runtime: 'r' };
    const reply = await agent.enroll('sp_enroll_', { facts });
    expect(reply).toMatchObject({
      ...refused,
      body: { issues: [{ field: 'body.facts.agentVersion' }, { field: 'body.facts.platform' }] },
    });
  });
});
