import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { problemAnswer } from './operator-api.ts';
import { signIn, type SignedIn } from './signed-in.ts';

const at = '2030-01-01T00:00:00.000Z';
const agent = '01890a5d-ac96-774b-bcce-b302099a8057';
const id = '01890a5d-ac96-774b-bcce-b302099a8058';
const token = {
  id,
  state: 'active',
  createdBy: 'owner',
  createdAt: at,
  expiresAt: '2030-04-01T00:00:00.000Z',
  lastUsedAt: null,
  revokedAt: null,
};

let operator: SignedIn;
beforeEach(async () => {
  operator = await signIn();
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
});
const cli: SignedIn['cli'] = (args, given) => operator.cli(args, given);

test('agent-token create and rotate show the token once', async () => {
  const created = { status: 201, body: { ...token, token: 'sp_agent_x' } };
  operator.api.on(`POST /agents/${agent}/tokens`, created);
  operator.api.on(`POST /agents/${agent}/tokens/${id}/rotate`, created);
  for (const args of [
    ['create', agent, '--days', '30'],
    ['rotate', agent, id, '--overlap', '1h'],
  ]) {
    const { code, stdout } = await cli(['agent-token', ...args]);
    expect(code).toBe(0);
    expect(stdout.match(/sp_agent_x/g)).toHaveLength(1);
    expect(stdout).toContain('The token is shown this once.');
  }
  expect(operator.api.received.map(({ body }) => body)).toEqual([
    { expiresInDays: 30 },
    { expiresInDays: 90, overlapSeconds: 3600 },
  ]);
});

test('agent-token list tells of each, and revoke says what it did', async () => {
  operator.api.on(`GET /agents/${agent}/tokens`, { body: { items: [token] } });
  operator.api.on(`POST /agents/${agent}/tokens/${id}/revoke`, { status: 204 });
  const { stdout } = await cli(['agent-token', 'list', agent]);
  expect(stdout).toMatch(new RegExp(`^${id} +active +2030-04-01T00:00:00.000Z +never$`, 'm'));
  expect(await cli(['agent-token', 'revoke', agent, id])).toEqual({
    code: 0,
    stdout: `Revoked the agent token ${id}.\n`,
    stderr: '',
  });
});

test('an id that is none, and a life that is too long, are refused before anything is sent', async () => {
  for (const args of [
    ['create', 'web-1'],
    ['create', agent, '--days', '400'],
    ['rotate', agent, id, '--overlap', '8d'],
    ['revoke', agent, 'latest'],
  ])
    expect(await cli(['agent-token', ...args])).toMatchObject({ code: 2 });
  expect(operator.api.received).toEqual([]);
});

test('a refusal of the control plane is told in its words', async () => {
  const answer = problemAnswer(404, 'agent_token.not_found');
  operator.api.on(`POST /agents/${agent}/tokens/${id}/revoke`, answer);
  expect(await cli(['agent-token', 'revoke', agent, id])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('(agent_token.not_found, request '),
  });
});

test('group update sends the ways that are allowed, and refuses others', async () => {
  const group = {
    id,
    name: 'a',
    revision: 1,
    agentMethods: ['token'],
    clones: 'report',
    createdAt: at,
  };
  operator.api.on('PATCH /groups/a', { body: group });
  const { stdout } = await cli(['group', 'update', 'a', '--agent-methods', 'token']);
  const json = await cli(['group', 'update', 'a', '--agent-methods', 'token', '--json']);
  expect(JSON.parse(json.stdout)).toEqual(group);
  expect(stdout).toMatch(/^Agents open sessions with +token$/m);
  const sent = { agentMethods: ['token'] };
  expect(operator.api.received.map(({ body }) => body)).toEqual([sent, sent]);
  for (const methods of [['key', 'token'], ['key,token'], ['key,', 'token'], ['key, token']])
    await cli(['group', 'update', 'a', '--agent-methods', ...methods]);
  const both = { agentMethods: ['key', 'token'] };
  expect(operator.api.received.slice(2).map(({ body }) => body)).toEqual([both, both, both, both]);
  for (const methods of [['password'], ['key', 'key'], ['key,key'], [',']])
    expect(await cli(['group', 'update', 'a', '--agent-methods', ...methods])).toMatchObject({
      code: 2,
    });
  expect(await cli(['group', 'update', 'a'])).toMatchObject({
    code: 2,
    stderr: 'sallyport: give --agent-methods or --clones (usage.invalid)\n',
  });
});
