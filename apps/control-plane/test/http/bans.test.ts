import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { AgentClient } from '../agent-client.ts';
import { agentIn } from '../group-agents.ts';
import { Lifecycle } from '../lifecycle.ts';
import { field } from '../operator-client.ts';

const BANNED = { status: 401, body: { code: 'agent.banned' } };

let at: Lifecycle;
beforeAll(async () => {
  at = await Lifecycle.start();
});
afterAll(() => at.end());

describe('[F-11] a ban', () => {
  test('revokes, and lets neither key enrol in any group, before a use of the token is taken', async () => {
    const agent = await agentIn(at.owner, 'bans', at.controlPlane);
    expect(await at.ban(agent)).toMatchObject({ status: 200, body: { bannedName: null } });
    expect(await agent.pullRaw()).toMatchObject({ status: 401, body: { code: 'agent.revoked' } });
    const { id, token } = await at.newToken('another-group');
    expect(await agent.enroll(token)).toMatchObject(BANNED);
    const fresh = await AgentClient.create(at.controlPlane.agentApp, at.controlPlane.clock);
    const halfNew = fresh.with({ encryption: agent.encryption });
    expect(await halfNew.enroll(token)).toMatchObject(BANNED);
    expect(await at.eventsOf(`enrollment-token:${id}`, 'agent:enroll')).toEqual(
      [1, 2].map(() => ({
        group: 'another-group',
        outcome: 'refused',
        details: { code: 'agent.banned' },
      })),
    );
    expect((await fresh.enroll(token)).status).toBe(201);
  });

  test('bans its name in its group only when that is asked for, also of one that is revoked already', async () => {
    const agent = await agentIn(at.owner, 'names', at.controlPlane);
    await at.owner.call('POST', `/agents/${agent.id}/revoke`);
    await at.ban(agent);
    const again = await AgentClient.create(at.controlPlane.agentApp, at.controlPlane.clock);
    const { token } = await at.newToken('names', 9);
    expect((await again.enroll(token)).status).toBe(201);
    expect(await at.ban(agent, { banName: true })).toMatchObject({
      body: { bannedName: 'host-1' },
    });
    const third = await AgentClient.create(at.controlPlane.agentApp, at.controlPlane.clock);
    expect(await third.enroll(token)).toMatchObject(BANNED);
    expect((await third.enroll((await at.newToken('other-names')).token)).status).toBe(201);
    expect(await at.eventsOf(`agent:${agent.id}`, 'agent:ban')).toMatchObject([
      { outcome: 'done', details: { keyThumbprint: agent.signing.thumbprint } },
      { outcome: 'done', details: { name: 'host-1' } },
    ]);
    await at.ban(agent, { banName: true });
    expect(await at.eventsOf(`agent:${agent.id}`, 'agent:ban')).toHaveLength(2);
  });

  test('is listed and lifted in its group alone, and then enrols again', async () => {
    const agent = await agentIn(at.owner, 'lifted', at.controlPlane);
    const id = field((await at.ban(agent, { banName: true })).body, 'id');
    expect((await at.owner.call('GET', '/groups/lifted/bans')).body).toMatchObject({
      items: [{ id, agentId: agent.id, createdBy: 'owner' }],
    });
    const missing = { status: 404, body: { code: 'ban.not_found' } };
    await at.newToken('beside');
    expect(await at.owner.call('DELETE', `/groups/beside/bans/${id}`)).toMatchObject(missing);
    expect((await at.owner.call('DELETE', `/groups/lifted/bans/${id}`)).status).toBe(204);
    expect(await at.owner.call('DELETE', `/groups/lifted/bans/${id}`)).toMatchObject(missing);
    const again = await AgentClient.create(at.controlPlane.agentApp, at.controlPlane.clock);
    expect((await again.enroll((await at.newToken('lifted')).token)).status).toBe(201);
    expect(await at.eventsOf(`agent:${agent.id}`, 'agent:unban')).toHaveLength(1);
  });

  test('[F-09] races enrolments under its name: none that begins after it is done gets in', async () => {
    const agent = await agentIn(at.owner, 'race', at.controlPlane);
    const { token } = await at.newToken('race', 40);
    const racers = await Promise.all(
      Array.from({ length: 8 }, () =>
        AgentClient.create(at.second.agentApp, at.controlPlane.clock),
      ),
    );
    const racing = racers.map((racer) => racer.enroll(token));
    await at.ban(agent, { banName: true });
    const [row] = await at.sql(`SELECT FROM bans WHERE agent_id = $1`, [agent.id]);
    const late = await AgentClient.create(at.second.agentApp, at.controlPlane.clock);
    expect(await late.enroll(token)).toMatchObject(BANNED);
    const codes = (await Promise.all(racing)).map(({ status }) => status);
    const left = await at.sql(
      `SELECT uses_left AS left FROM enrollment_tokens WHERE group_id = (SELECT id FROM groups WHERE name = 'race') AND uses = 40`,
    );
    expect(row).toBeDefined();
    expect(left).toEqual([{ left: 40 - codes.filter((code) => code === 201).length }]);
  });

  test('waits for an enrolment that has looked already, and every later one waits for it', async () => {
    const agent = await agentIn(at.owner, 'ordered', at.controlPlane);
    const { token } = await at.newToken('ordered');
    await asAdmin(at.controlPlane.databaseUrl, async (client) => {
      await client.query('BEGIN');
      await client.query(`SELECT pg_advisory_xact_lock_shared(hashtext('sallyport bans'))`);
      let isDone = false;
      const banning = at.ban(agent, { banName: true }).then(() => (isDone = true));
      const late = AgentClient.create(at.second.agentApp, at.controlPlane.clock);
      await untilBanWaits();
      const entering = (await late).enroll(token);
      expect(isDone).toBe(false);
      await client.query('COMMIT');
      await banning;
      expect(await entering).toMatchObject(BANNED);
    });
  });
});

/** Resolves once a ban waits for the enrolments that are under way. */
async function untilBanWaits(): Promise<void> {
  const waiting = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
  while ((await at.sql(waiting)).length === 0) await setImmediate();
}
