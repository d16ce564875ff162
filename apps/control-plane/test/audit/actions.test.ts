import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { agentAction } from '@sallyport/contract';
import { selfSigned } from '@sallyport/tls/test/issuer';
import { warnOfExpiry } from '../../src/api-keys/index.ts';
import { auditActions } from '../../src/audit/actions.ts';
import { openAuditKeys, purgeAudit } from '../../src/audit/index.ts';
import { warnOfCertificateExpiry } from '../../src/certificates/index.ts';
import { rewrapKeyrings, UnreadableReports } from '../../src/keyrings/index.ts';
import { markLostAgents } from '../../src/maintenance/maintenance.ts';
import { restoreOwner } from '../../src/operators/index.ts';
import { openQueueBackend } from '../../src/platform/queue-backend.ts';
import { RootKeys } from '../../src/platform/root-keys.ts';
import { settleRestored } from '../../src/restore/settle-restored.ts';
import { rotateRoot } from '../../src/root-rotation/rotate-root.ts';
import { AgentTasks } from '../../src/tasks/index.ts';
import { everyChange } from '../changes.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { DIAGNOSIS } from '../diagnosis.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient } from '../operator-client.ts';
import { allPlaced, sql } from './chain.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const SOURCES = join(import.meta.dirname, '../../src');

let controlPlane: TestControlPlane;
beforeAll(async () => {
  controlPlane = await startControlPlane({ startMs: Date.now() - 170 * DAY_MS });
});
afterAll(() => controlPlane.end());

async function recorded(): Promise<Set<string>> {
  const rows = await sql<{ action: string }>(
    controlPlane.databaseUrl,
    'SELECT DISTINCT action FROM audit_events',
  );
  return new Set(rows.map(({ action }) => action));
}

/** What nobody asks for: each is a piece of the periodic work. */
async function everyActOfTheSystem(look: () => Promise<void>): Promise<void> {
  const { platform, clock, operatorApp, databaseUrl } = controlPlane;
  const owner = await OperatorClient.signedIn(operatorApp);
  const agent = await agentIn(owner, 'plant-1', controlPlane);
  const roles = [{ role: 'viewer', group: 'plant-1' }];
  await owner.call('POST', '/api-keys', { name: 'ending', roles, expiresInDays: 3 });
  await warnOfExpiry(platform);
  const endsAt = new Date(clock.now() + 20 * DAY_MS);
  const { chain, key } = await selfSigned({ notAfter: endsAt });
  await owner.call('PUT', '/groups/plant-1/certificates/ending', { chain, key });
  await warnOfCertificateExpiry(platform);
  const auditKeys = await openAuditKeys(platform);
  await everyActOfKeys(owner);
  await allPlaced(databaseUrl);
  await owner.call('POST', '/audit/checkpoints');
  clock.advance(200 * DAY_MS);
  await markLostAgents(platform);
  await agent.openSession();
  await agent.report(agentAction.options.map((action) => ({ action })));
  await agent.pullRaw();
  await untilReturned();
  await allPlaced(databaseUrl);
  await look();
  await purgeAudit(platform, auditKeys, 90);
}

/** What a task may come to, and credentials that are shown when they are good no more. */
async function everyActAfterwards(owner: OperatorClient): Promise<void> {
  const { platform, operatorApp, databaseUrl } = controlPlane;
  const agent = await agentIn(owner, 'plant-2', controlPlane);
  const giveTask = () => owner.call('POST', `/agents/${agent.id}/tasks`, { kind: 'diagnose' });
  await giveTask();
  await giveTask();
  const [done, failed] = (await agent.pull(0, 2))?.tasks ?? [];
  await agent.call('POST', `/tasks/${done?.id}/complete`, { lock: done?.lock, result: DIAGNOSIS });
  await agent.call('POST', `/tasks/${failed?.id}/fail`, { lock: failed?.lock, error: 'failed' });
  await sql(databaseUrl, `UPDATE tasks SET created_at = '2000-01-01'`);
  const backend = await openQueueBackend(
    { database: { connectionString: databaseUrl } },
    platform.log,
  );
  await (await AgentTasks.open(platform, backend)).endAbandoned();
  await backend.close();
  await owner.call('POST', `/agents/${agent.id}/revoke`);
  await agent.openSession();
  const roles = [{ role: 'viewer', group: null }];
  const { body } = await owner.call('POST', '/api-keys', { name: 'ended', roles });
  await owner.call('POST', `/api-keys/${field(body, 'id')}/revoke`);
  const ended = new OperatorClient(operatorApp);
  ended.token = field(body, 'key');
  await ended.call('GET', '/me');
}

/** Acknowledgements are written once a second. */
async function untilReturned(): Promise<void> {
  const until = performance.now() + 10_000;
  while (!(await recorded()).has('agent:return') && performance.now() < until) await setImmediate();
}

async function everyActOfKeys(owner: OperatorClient): Promise<void> {
  const { platform, rootKey, databaseUrl } = controlPlane;
  await owner.call('PUT', '/groups/plant-1/secrets/s', { value: 'value' });
  await owner.call('POST', '/groups/plant-1/keyring/rotate');
  const unreadable = new UnreadableReports(platform);
  while (!(await recorded()).has('keyring:retire')) await rewrapKeyrings({ platform, unreadable });
  await sql(databaseUrl, `UPDATE secret_versions SET sealed_value = sealed_value || '\\x00'`);
  await owner.call('POST', '/groups/plant-1/secrets/s/reveal', {});
  const target = randomBytes(32);
  await rotateRoot(
    { ...platform, stopping: new AbortController().signal },
    new RootKeys([target, rootKey]),
    target,
  );
  const moved = { ...platform, rootKeys: new RootKeys([target]) };
  await settleRestored(moved);
  await restoreOwner(moved, 'restored');
}

test('[SG-15] every act of the registry is recorded when it is done, and nothing is recorded that it does not name', async () => {
  const owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  const changes = await everyChange(controlPlane, owner, 'plant-7');
  const seen = new Set<string>();
  const look = async () => {
    for (const action of await recorded()) seen.add(action);
  };
  for (const { act } of changes) await act();
  await everyActAfterwards(owner);
  await everyActOfTheSystem(look);
  await look();
  expect([...seen].toSorted()).toEqual([...auditActions].toSorted());
});

test('[SG-15] the registry names each act once, and the code records none by a name of its own', async () => {
  expect(new Set(auditActions).size).toBe(auditActions.length);
  const known: ReadonlySet<string> = new Set(auditActions);
  const files = (await readdir(SOURCES, { recursive: true })).filter(
    (name) => name.endsWith('.ts') && !name.startsWith('platform/prisma-client'),
  );
  const named: string[] = [];
  for (const file of files) {
    const text = await readFile(join(SOURCES, file), 'utf8');
    for (const [, action = ''] of text.matchAll(/\baction: '([^':]+:[^']+)'/g)) named.push(action);
  }
  expect(named.length).toBeGreaterThan(15);
  expect(named.filter((action) => !known.has(action))).toEqual([]);
});
