import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { signIn, type SignedIn } from './signed-in.ts';

const at = '2030-01-01T00:00:00.000Z';
const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const authority = {
  id,
  state: 'active',
  fingerprint: 'SHA256:00',
  certificate: 'PEM',
  agentCertificates: 3,
  expiresAt: at,
  createdAt: at,
};
const path = '/certificate-authorities';

let operator: SignedIn;
beforeEach(async () => {
  operator = await signIn();
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
});

test('ca list shows every CA and how many agents stand on it', async () => {
  operator.api.on(`GET ${path}`, { body: { items: [authority] } });
  const { stdout } = await operator.cli(['ca', 'list']);
  expect(stdout).toMatch(new RegExp(`^${id} +active +3 +${at} +SHA256:00$`, 'm'));
  const json = await operator.cli(['ca', 'list', '--json']);
  expect(JSON.parse(json.stdout)).toEqual([authority]);
});

test.each([
  [['prepare'], `POST ${path}`],
  [['activate', id], `POST ${path}/${id}/activate`],
  [['retire', id], `POST ${path}/${id}/retire`],
])('ca %j calls %s and shows the CA', async (words, call) => {
  operator.api.on(call, { body: authority });
  expect(await operator.cli(['ca', ...words])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^Fingerprint +SHA256:00$/m),
  });
});

test('ca delete gives up a CA, and every verb refuses what is no id', async () => {
  operator.api.on(`DELETE ${path}/${id}`, { status: 204 });
  expect(await operator.cli(['ca', 'delete', id])).toMatchObject({ code: 0 });
  for (const verb of ['activate', 'retire', 'delete'])
    expect(await operator.cli(['ca', verb, 'newest'])).toMatchObject({ code: 2 });
});
