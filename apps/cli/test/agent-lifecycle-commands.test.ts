import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { signIn, type SignedIn } from './signed-in.ts';

const at = '2030-01-01T00:00:00.000Z';
const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const otherId = '01890a5d-ac96-774b-bcce-b302099a8058';
const facts = { agentVersion: '0.1.0', platform: 'linux', architecture: 'x64', runtime: 'node 26' };

let operator: SignedIn;
beforeEach(async () => {
  operator = await signIn();
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
});
const cli: SignedIn['cli'] = (args, given) => operator.cli(args, given);

describe('agent ban, ban list and ban lift', () => {
  const made = {
    id: otherId,
    group: 'a',
    agentId: id,
    agentName: 'host-1',
    bannedName: null,
    signingKey: 'one',
    encryptionKey: 'other',
    createdBy: 'owner',
    createdAt: at,
  };

  test('the name is banned when that is asked for, and said so', async () => {
    operator.api.on(`POST /agents/${id}/ban`, { body: made });
    expect((await cli(['agent', 'ban', id])).stdout).toBe(`Banned the agent host-1 (${id}).\n`);
    operator.api.on(`POST /agents/${id}/ban`, { body: { ...made, bannedName: 'host-1' } });
    expect((await cli(['agent', 'ban', id, '--name'])).stdout).toBe(
      `Banned the agent host-1 (${id}), and its name in a.\n`,
    );
    expect(operator.api.received.map(({ body }) => body)).toEqual([
      { banName: false },
      { banName: true },
    ]);
  });

  test('a ban is listed, and lifted by its id; another is not there', async () => {
    operator.api.on('GET /groups/a/bans', { body: { items: [made] } });
    operator.api.on(`DELETE /groups/a/bans/${otherId}`, { status: 204 });
    expect((await cli(['ban', 'list', '--group', 'a'])).stdout).toMatch(
      new RegExp(`^${otherId} +host-1 +${id} +free +owner +`, 'm'),
    );
    expect(await cli(['ban', 'lift', otherId, '--group', 'a'])).toMatchObject({
      code: 0,
      stdout: `Lifted the ban ${otherId}.\n`,
    });
    expect(await cli(['ban', 'lift', id, '--group', 'a'])).toMatchObject({ code: 3 });
  });
});

describe('agent move', () => {
  test('names the agent and its new group, and a group that cannot be one is refused first', async () => {
    const there = { id, name: 'host-1', group: 'b', state: 'active', stateSince: null };
    const rest = {
      appliedRevision: 0,
      keyThumbprint: 't',
      facts,
      enrolledAt: at,
      certificateIdentity: null,
    };
    const times = { lastSeenAt: null, revokedAt: null, clonedAt: null };
    operator.api.on(`POST /agents/${id}/move`, { body: { ...there, ...rest, ...times } });
    expect((await cli(['agent', 'move', id, '--group', 'b'])).stdout).toBe(
      `Moved the agent host-1 (${id}) to b.\n`,
    );
    expect(await cli(['agent', 'move', id, '--group', 'NO GROUP'])).toMatchObject({ code: 2 });
    expect(operator.api.received.map(({ body }) => body)).toEqual([{ group: 'b' }]);
  });
});
