import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { auditVerification } from '@sallyport/contract';
import { openAuditKeys, purgeAudit } from '../../src/audit/index.ts';
import type { AgentClient } from '../agent-client.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { OperatorClient } from '../operator-client.ts';
import { allPlaced, sql, tamper } from './chain.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const RETENTION_DAYS = 90;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let agent: AgentClient;
let url: string;
beforeEach(async () => {
  // The database's own clock has its say, so what is old has to be so really.
  controlPlane = await startControlPlane({ startMs: Date.now() - 200 * DAY_MS });
  url = controlPlane.databaseUrl;
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  agent = await agentIn(owner, 'plant-7', controlPlane);
  await owner.call('PUT', '/groups/plant-7/secrets/db', { value: 'kept' });
  await sign();
  controlPlane.clock.advance(150 * DAY_MS);
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await sign();
  controlPlane.clock.advance(50 * DAY_MS);
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await allPlaced(url);
});
afterEach(() => controlPlane.end());

async function sign(): Promise<void> {
  await allPlaced(url);
  expect((await owner.call('POST', '/audit/checkpoints')).status).toBe(201);
  await allPlaced(url);
}

async function purge(): Promise<void> {
  const { platform } = controlPlane;
  await purgeAudit(platform, await openAuditKeys(platform), RETENTION_DAYS);
  await allPlaced(url);
}

async function verify() {
  return auditVerification.parse((await owner.call('GET', '/audit/verify')).body);
}

/** The last checkpoint that is older than the policy: what ends there is to go. */
async function lastOld(): Promise<number> {
  const [row] = await sql<{ size: number }>(
    url,
    'SELECT max(size)::int AS size FROM audit_checkpoints WHERE created_at < $1',
    [new Date(controlPlane.clock.now() - RETENTION_DAYS * DAY_MS)],
  );
  return row?.size ?? 0;
}

const checkpoints = () => sql(url, 'SELECT id, size, note FROM audit_checkpoints ORDER BY id');

describe('[AT-21] retention', () => {
  test('drops whole segments past their time, keeps their checkpoint, and records it; the rest verifies from there', async () => {
    const first = await lastOld();
    const kept = await checkpoints();
    const { size, hash } = await verify();
    await purge();
    const after = await verify();
    expect(after).toMatchObject({ intact: true, base: first, size: size + 1 });
    expect([first > 4, first < size]).toEqual([true, true]);
    expect(after.hash).not.toBe(hash);
    expect(await checkpoints()).toEqual(kept);
    const left = await sql<{ first: number; lost: number }>(
      url,
      `SELECT min(l.position)::int AS first, count(*) FILTER (WHERE e.id IS NULL)::int AS lost
         FROM audit_links l LEFT JOIN audit_events e ON e.seq = l.event_seq`,
    );
    expect(left).toEqual([{ first: first + 1, lost: 0 }]);
    const [entry] =
      (await owner.call('GET', '/audit?action=audit:purge')).text.match(/"details":\{[^}]*\}/) ??
      [];
    expect(entry).toContain(`"from":1`);
    expect(entry).toContain(`"to":${first}`);
    await purge();
    expect(await verify()).toMatchObject({ base: first, size: size + 1 });
    // Else anybody could write a chain of its own from there.
    await tamper(
      url,
      `UPDATE audit_checkpoints SET note = replace(note, '— ', '— x') WHERE size = ${first}`,
    );
    expect(await verify()).toMatchObject({ intact: false, break: { kind: 'unfounded' } });
  });

  test('is recorded once, when two replicas come to it at the same time', async () => {
    const { platform } = controlPlane;
    const keys = await openAuditKeys(platform);
    let settled: Promise<unknown> | undefined;
    // Each has verified what it is about to drop, when one of them may.
    await whileHeld(url, 'LOCK TABLE audit_events IN SHARE MODE', async () => {
      const purges = [1, 2].map(() => purgeAudit(platform, keys, RETENTION_DAYS));
      await lockWaits(url, 2);
      settled = Promise.allSettled(purges);
    });
    await settled;
    await allPlaced(url);
    const recorded = await sql(url, `SELECT FROM audit_events WHERE action = 'audit:purge'`);
    expect(recorded).toHaveLength(1);
    expect(await verify()).toMatchObject({ intact: true });
  });

  test('leaves agents as they are', async () => {
    await purge();
    expect((await agent.openSession()).status).toBe(200);
    expect(await agent.open(await agent.pull())).toEqual({ db: 'kept' });
    expect((await owner.call('POST', '/groups/plant-7/secrets/db/reveal', {})).status).toBe(200);
    expect(await allPlaced(url)).toMatchObject({ doubles: 0 });
  });

  test('exports what is left from the checkpoint on', async () => {
    const first = await lastOld();
    await purge();
    const [base = '', next = ''] = (await owner.call('GET', '/audit/export')).text.split('\n');
    expect(JSON.parse(base)).toMatchObject({
      base: { position: first, checkpoint: expect.stringContaining(`\n${first}\n`) },
    });
    expect(JSON.parse(next)).toMatchObject({ position: first + 1 });
  });

  test('drops nothing of a segment that was tampered with', async () => {
    await tamper(
      url,
      `UPDATE audit_events SET actor_name = 'x' WHERE seq = (SELECT event_seq FROM audit_links WHERE position = 2)`,
    );
    await expect(purge()).rejects.toThrow('the audit chain is broken at 2; nothing is dropped');
    expect(await verify()).toMatchObject({ base: 0, break: { kind: 'edited', position: 2 } });
  });
});
