import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { OperatorClient, type Reply } from '../operator-client.ts';

/** As many writers of one group are in a transaction at a time. */
const AT_WORK = 2;
/** How long a transaction waits for a lock, and a writer for its turn. */
const PATIENCE_MS = 5_000;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

function writers(group: string, count: number): Promise<Reply>[] {
  return Array.from({ length: count }, (_, at) =>
    owner.call('PUT', `/groups/${group}/secrets/s${at}`, { value: 'value' }),
  );
}

const rowOf = (group: string) => `SELECT FROM groups WHERE name = '${group}' FOR UPDATE`;

test('[F-11] a revocation does not queue behind those that write to the group', async () => {
  const agent = await agentIn(owner, 'busy', controlPlane);
  const replies: Promise<Reply>[] = [];
  await whileHeld(controlPlane.databaseUrl, rowOf('busy'), async () => {
    replies.push(...writers('busy', 10));
    await lockWaits(controlPlane.databaseUrl, AT_WORK);
    replies.push(owner.call('POST', `/agents/${agent.id}/revoke`));
    await lockWaits(controlPlane.databaseUrl, AT_WORK + 1);
  });
  const statuses = (await Promise.all(replies)).map(({ status }) => status);
  expect(statuses).toEqual([...Array<number>(10).fill(201), 200]);
});

test('those that queue for a group that is held are refused in time, and it is free afterwards', async () => {
  await owner.call('POST', '/groups', { name: 'stuck' });
  await whileHeld(controlPlane.databaseUrl, rowOf('stuck'), async () => {
    const begun = performance.now();
    for (const reply of await Promise.all(writers('stuck', 10)))
      expect(reply).toMatchObject({ status: 503, body: { code: 'group.busy' } });
    // For a turn, for a connection and for the lock, each of which has its own patience.
    expect(performance.now() - begun).toBeLessThan(3 * PATIENCE_MS + 2_000);
  });
  expect(await Promise.all(writers('stuck', 1))).toMatchObject([{ status: 201 }]);
}, 40_000);
