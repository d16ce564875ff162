import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { problemAnswer } from './operator-api.ts';
import { signIn, type SignedIn } from './signed-in.ts';

const at = '2030-01-01T00:00:00.000Z';
const PIN = `SHA256:${Array.from({ length: 32 }, () => 'AB').join(':')}`;
const link = {
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  name: 'press-1',
  address: 'press-1.example:9444',
  agentFingerprint: PIN,
  createdBy: 'owner',
  createdAt: at,
  connectedSince: null,
  seen: null,
  lastError: null,
  agentId: null,
};
const connected = { ...link, connectedSince: at, agentId: link.id };
const failing = {
  ...link,
  agentFingerprint: null,
  lastError: { code: 'link.refused', message: 'It refused the connection.', since: at },
};

let operator: SignedIn;
beforeEach(async () => {
  operator = await signIn();
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
});
const cli: SignedIn['cli'] = (args, given) => operator.cli(args, given);
const inGroup = ['--group', 'plant-7'];

test('link add shows what would rewrite the screen, and has no terminal obey it', async () => {
  const body = { ...link, address: '\u001b[2J' };
  operator.api.on('POST /groups/plant-7/links', { status: 201, body });
  const { stdout } = await cli(['link', 'add', 'press-1', ...inGroup, '--address', 'press:9444']);
  expect(stdout).toBe('The control plane dials \\u{1b}[2J for plant-7.\n');
});

test('[BM-01] link add sends where the agent is and what it is known by', async () => {
  operator.api.on('POST /groups/plant-7/links', { status: 201, body: link });
  const add = ['link', 'add', 'press-1', ...inGroup, '--address', 'Press-1.example:9444'];
  expect(await cli([...add, '--fingerprint', PIN])).toEqual({
    code: 0,
    stdout: 'The control plane dials press-1.example:9444 for plant-7.\n',
    stderr: '',
  });
  expect(await cli(add)).toMatchObject({ code: 0 });
  const body = { name: 'press-1', address: 'press-1.example:9444' };
  expect(operator.api.received.map((received) => received.body)).toEqual([
    { ...body, agentFingerprint: PIN },
    body,
  ]);
});

test('link list tells of each whether it is connected, and if not why', async () => {
  operator.api.on('GET /groups/plant-7/links', { body: { items: [connected, failing, link] } });
  const { stdout } = await cli(['link', 'list', ...inGroup]);
  expect(stdout).toMatch(/^press-1 +press-1\.example:9444 +connected since 2030-01-01/m);
  expect(stdout).toMatch(/^press-1 +press-1\.example:9444 +link\.refused since 2030-01-01/m);
  expect(stdout).toMatch(/^press-1 +press-1\.example:9444 +not connected$/m);
  const json = await cli(['link', 'list', ...inGroup, '--json']);
  expect(JSON.parse(json.stdout)).toEqual([connected, failing, link]);
});

test('link show says why it does not work, and remove what it did', async () => {
  operator.api.on('GET /groups/plant-7/links/press-1', { body: failing });
  const { stdout } = await cli(['link', 'show', 'press-1', ...inGroup]);
  expect(stdout).toMatch(/^Why +It refused the connection\.$/m);
  expect(stdout).toMatch(/^Fingerprint +any of a CA in dialer\.truststore$/m);
  expect(stdout).toMatch(/^Agent +none yet$/m);
  operator.api.on('DELETE /groups/plant-7/links/press-1', { status: 204 });
  expect(await cli(['link', 'remove', 'press-1', ...inGroup])).toEqual({
    code: 0,
    stdout: 'Removed the link press-1.\n',
    stderr: '',
  });
});

test('what is no link is refused before anything is sent, and a refusal is told', async () => {
  for (const args of [
    ['add', 'Press', ...inGroup, '--address', 'a:1'],
    ['add', 'press', ...inGroup, '--address', 'a'],
    ['add', 'press', ...inGroup, '--address', 'a:1', '--fingerprint', 'AB'],
    ['show', 'Press', ...inGroup],
  ])
    expect(await cli(['link', ...args])).toMatchObject({ code: 2, stdout: '' });
  expect(operator.api.received).toEqual([]);
  operator.api.on('GET /groups/plant-7/links/press', problemAnswer(404, 'link.not_found'));
  expect(await cli(['link', 'show', 'press', ...inGroup])).toMatchObject({ stdout: '' });
});
