import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sessionReply } from '@sallyport/contract';
import type { AgentClient } from '../agent-client.ts';
import { agentIn } from '../group-agents.ts';
import { Lifecycle } from '../lifecycle.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

const SESSION_OVER = { status: 401, body: { code: 'access_token.expired' } };

let at: Lifecycle;
beforeAll(async () => {
  at = await Lifecycle.start();
});
afterAll(() => at.end());

async function holder(...held: [role: string, group: string][]): Promise<OperatorClient> {
  const roles = held.map(([role, group]) => ({ role, group }));
  const { body } = await at.owner.call('POST', '/api-keys', { name: 'holder', roles });
  const client = new OperatorClient(at.controlPlane.operatorApp);
  client.token = field(body, 'key');
  return client;
}

/** Opens another session, and goes where its reply says that the agent is. */
async function follow(agent: AgentClient): Promise<string> {
  const { group } = sessionReply.parse((await agent.openSession()).body);
  if (group === undefined || agent.enrolled === undefined) throw new Error('no group was named');
  agent.enrolled = { ...agent.enrolled, group };
  [agent.revision, agent.epoch] = [0, 0];
  return group.name;
}

describe('[SG-09] a move to another group', () => {
  test('ends the pull that waits on another replica; the agent follows, and opens no later bundle of the group before', async () => {
    const agent = await agentIn(at.owner, 'from', at.second);
    await at.newToken('to');
    await at.put('from', 's', 'of the old group');
    await at.put('to', 's', 'of the new group');
    await agent.open(await agent.pull());
    const held = agent.delivery;
    const waiting = agent.pullRaw(30);
    expect(await at.move(agent, 'to')).toMatchObject({ status: 200, body: { group: 'to' } });
    expect(await waiting).toMatchObject(SESSION_OVER);
    expect(await agent.pullRaw()).toMatchObject(SESSION_OVER);
    expect(await follow(agent)).toBe('to');
    expect(await agent.open(await agent.pull())).toEqual({ s: 'of the new group' });

    await at.put('from', 's', 'made later');
    const staying = await agentIn(at.owner, 'from', at.second);
    const later = await staying.pull();
    expect(await staying.open(later)).toEqual({ s: 'made later' });
    agent.delivery = held;
    await expect(agent.open(later)).rejects.toThrow();
  });

  test('is recorded in both groups, which do not learn each other’s name', async () => {
    const agent = await agentIn(at.owner, 'left', at.controlPlane);
    await at.newToken('joined');
    await at.move(agent, 'joined');
    const events = await at.eventsOf(`agent:${agent.id}`, 'agent:move');
    expect(events).toMatchObject([
      { group: 'left', details: { revision: 2, to: expect.any(String) } },
      { group: 'joined', details: { from: expect.any(String) } },
    ]);
    expect(JSON.stringify(events.map(({ details }) => details))).not.toMatch(/left|joined/);
    expect((await at.move(agent, 'joined')).status).toBe(200);
    expect(await at.eventsOf(`agent:${agent.id}`, 'agent:move')).toHaveLength(2);
  });

  test('[AT-03] needs the right in both groups, and one that may not be seen is not there', async () => {
    const agent = await agentIn(at.owner, 'mine', at.controlPlane);
    await at.newToken('theirs');
    const one = await holder(['operator', 'mine']);
    const gone = { status: 404, body: { code: 'group.not_found' } };
    expect(await at.move(agent, 'theirs', one)).toMatchObject(gone);
    expect(await at.move(agent, 'no-such-group', one)).toMatchObject(gone);
    const looking = await holder(['operator', 'mine'], ['viewer', 'theirs']);
    const denied = { status: 403, body: { code: 'permission.denied' } };
    expect(await at.move(agent, 'theirs', looking)).toMatchObject(denied);
    const outside = await holder(['operator', 'theirs']);
    expect(await at.move(agent, 'theirs', outside)).toMatchObject({ status: 404 });
    const both = await holder(['operator', 'mine'], ['operator', 'theirs']);
    expect((await at.move(agent, 'theirs', both)).status).toBe(200);
  });

  test('of one that is revoked is refused', async () => {
    const agent = await agentIn(at.owner, 'ended', at.controlPlane);
    await at.newToken('elsewhere');
    await at.owner.call('POST', `/agents/${agent.id}/revoke`);
    const refused = { status: 409, body: { code: 'agent.cannot_move' } };
    for (const group of ['elsewhere', 'ended'])
      expect(await at.move(agent, group)).toMatchObject(refused);
  });

  test('races a revocation: the group that the agent is in has a new epoch, and the agent no key to it', async () => {
    for (let round = 0; round < 6; round += 1) {
      const [from, to] = [`race-from-${round}`, `race-to-${round}`];
      const agent = await agentIn(at.owner, from, at.controlPlane);
      await at.newToken(to);
      const [moved, revoked] = await Promise.all([
        at.move(agent, to),
        at.owner.call('POST', `/agents/${agent.id}/revoke`),
      ]);
      expect(revoked.status).toBe(200);
      const epochs = await epochsOf(from, to);
      expect(epochs).toEqual(moved.status === 200 ? [2, 2] : [2, 1]);
      expect(await agent.openSession()).toMatchObject({ body: { code: 'agent.revoked' } });
    }
  });

  test('races writes to both groups: what the agent opens is the new group’s, and nothing that is written is lost', async () => {
    const agent = await agentIn(at.owner, 'busy-from', at.controlPlane);
    await at.newToken('busy-to');
    const writes = (group: string) =>
      Array.from({ length: 6 }, (_, n) => at.put(group, `s-${n}`, `${group} ${n}`));
    const all: Reply[] = await Promise.all([
      ...writes('busy-from'),
      at.move(agent, 'busy-to'),
      ...writes('busy-to'),
    ]);
    expect(all.map(({ status }) => status < 300)).not.toContain(false);
    await follow(agent);
    const values = await agent.open(await agent.pull());
    expect(Object.values(values).toSorted()).toEqual(
      Array.from({ length: 6 }, (_, n) => `busy-to ${n}`),
    );
  });

  test('[SG-44] what the agent said of the group before does not count in the new one', async () => {
    const agent = await agentIn(at.owner, 'many', at.controlPlane);
    for (const value of ['1', '2', '3']) await at.put('many', 's', value);
    await agent.pull();
    await agent.pullRaw();
    await at.newToken('few');
    await at.move(agent, 'few');
    await follow(agent);
    await agent.pull();
    await agent.pullRaw();
    await at.until(agent, (seen) => seen.appliedRevision > 0);
    expect(await at.shown(agent)).toMatchObject({ group: 'few', appliedRevision: 1 });
  });

  test('[F-20] an agent too old to be told of it is refused until it is upgraded', async () => {
    const agent = await agentIn(at.owner, 'old-from', at.controlPlane);
    await at.newToken('old-to');
    await at.move(agent, 'old-to');
    const old = await agent.openSession(undefined, undefined, 3);
    expect(old).toMatchObject({ status: 400, body: { code: 'protocol.unsupported' } });
    expect((await agent.openSession()).status).toBe(200);
    const unmoved = await agentIn(at.owner, 'old-from', at.controlPlane);
    expect((await unmoved.openSession(undefined, undefined, 3)).status).toBe(200);
  });
});

async function epochsOf(...groups: string[]): Promise<unknown[]> {
  const rows = await at.sql(
    `SELECT delivery_epoch AS epoch FROM groups WHERE name = ANY($1) ORDER BY array_position($1, name)`,
    [groups],
  );
  return rows.map(({ epoch }) => epoch);
}
