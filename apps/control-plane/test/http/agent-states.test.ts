import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { agent as shownAgent, page } from '@sallyport/contract';
import { markLostAgents } from '../../src/maintenance/maintenance.ts';
import { agentIn } from '../group-agents.ts';
import { Lifecycle } from '../lifecycle.ts';

let at: Lifecycle;
beforeAll(async () => {
  at = await Lifecycle.start();
});
afterAll(() => at.end());

describe('[SG-37] the states of agents', () => {
  const inState = async (state: string) => {
    const { body } = await at.owner.call('GET', `/groups/states/agents?state=${state}`);
    return page(shownAgent)
      .parse(body)
      .items.map(({ id }) => id);
  };
  const counts = async () => {
    const { body } = await at.controlPlane.metricsApp.inject('/metrics');
    const found = body.matchAll(/^sallyport_agents\{state="(\w+)"\} (\d+)$/gm);
    return Object.fromEntries([...found].map(([, state = '', count]) => [state, Number(count)]));
  };

  const listedCounts = async () => {
    const told = { active: 0, stale: 0, lost: 0 };
    for (const { name } of await at.sql('SELECT name FROM groups')) {
      const { body } = await at.owner.call('GET', `/groups/${String(name)}/agents?limit=200`);
      for (const { state } of page(shownAgent).parse(body).items)
        if (state !== 'revoked') told[state] += 1;
    }
    return told;
  };

  test('one that is connected and does not take a revision is stale after a minute, one that does is not, and it is told since when', async () => {
    const { clock, platform } = at.controlPlane;
    const agent = await agentIn(at.owner, 'states', at.controlPlane);
    const keepsUp = await agentIn(at.owner, 'states', at.controlPlane);
    await at.put('states', 's', '1');
    for (const each of [agent, keepsUp]) {
      await each.pull();
      await each.pullRaw();
    }
    await at.until(keepsUp, (seen) => seen.appliedRevision === 2);
    await at.until(agent, (seen) => seen.appliedRevision === 2);
    const since = new Date(clock.now()).toISOString();
    await at.put('states', 's', '2');
    await markLostAgents(platform);
    expect(await inState('stale')).toEqual([]);
    await keepsUp.pull();
    await keepsUp.pullRaw();
    await at.until(keepsUp, (seen) => seen.appliedRevision === 3);
    clock.advance(61_000);
    await at.put('states', 's', '3');
    await markLostAgents(platform);
    expect(await at.shown(agent)).toMatchObject({ state: 'stale', stateSince: since });
    expect(await at.shown(keepsUp)).toMatchObject({ state: 'active', stateSince: null });
    expect(await inState('stale')).toEqual([agent.id]);
    expect(await inState('active')).toEqual([keepsUp.id]);
    expect(await counts()).toEqual(await listedCounts());
    await agent.pull();
    await agent.pullRaw();
    await at.until(agent, (seen) => seen.appliedRevision === 4);
    expect(await at.shown(agent)).toMatchObject({ state: 'active', stateSince: null });
    expect(await inState('stale')).toEqual([]);
  });

  test('one that is lost and comes back is recorded once, and nothing is revoked for it', async () => {
    const { clock, platform } = at.controlPlane;
    const agent = await agentIn(at.owner, 'returns', at.controlPlane);
    clock.advance(4 * 60_000);
    await markLostAgents(platform);
    expect(await at.shown(agent)).toMatchObject({ state: 'lost', stateSince: expect.any(String) });
    expect(await at.eventsOf(`agent:${agent.id}`, 'agent:return')).toEqual([]);
    for (const _ of [1, 2]) {
      await agent.pull();
      await at.until(agent, (seen) => seen.state === 'active');
    }
    expect(await at.shown(agent)).toMatchObject({ stateSince: null, revokedAt: null });
    expect(await at.eventsOf(`agent:${agent.id}`, 'agent:return')).toEqual([
      { group: 'returns', outcome: 'done', details: {} },
    ]);
    await at.owner.call('POST', `/agents/${agent.id}/revoke`);
    await agent.pullRaw();
    expect((await at.shown(agent)).state).toBe('revoked');
  });
});
