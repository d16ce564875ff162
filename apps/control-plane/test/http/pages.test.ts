import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { page } from '@sallyport/contract';
import { asAdmin } from '@sallyport/testkit/database';
import { z } from 'zod';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';

const LENGTH = 5;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let agentId: string;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  const agents = [];
  for (let made = 0; made < LENGTH; made += 1)
    agents.push(await agentIn(owner, 'plant-7', controlPlane));
  agentId = agents.at(-1)?.id ?? '';
  await owner.call('POST', '/groups', { name: 'plant-8' });
  for (let made = 0; made < LENGTH; made += 1) {
    await owner.call('POST', '/groups/plant-8/enrollment-tokens', {});
    await owner.call('POST', `/agents/${agentId}/tasks`, { kind: 'diagnose' });
    await owner.call('POST', `/agents/${agentId}/tokens`, {});
  }
});
afterAll(() => controlPlane.end());

const listed = page(z.looseObject({ id: z.string() }));

async function pageAt(path: string, query: string): Promise<z.infer<typeof listed>> {
  return listed.parse((await owner.call('GET', `${path}?${query}`)).body);
}

test.each([
  ['enrollment_tokens', () => '/groups/plant-8/enrollment-tokens'],
  ['agents', () => '/groups/plant-7/agents'],
  ['tasks', () => `/agents/${agentId}/tasks`],
  ['agent_tokens', () => `/agents/${agentId}/tokens`],
])(
  'a list of %s goes on where its page ended, also when the row there is gone by then',
  async (table, path) => {
    const whole = (await pageAt(path(), 'limit=200')).items.map(({ id }) => id);
    expect(whole).toHaveLength(LENGTH);
    const first = await pageAt(path(), 'limit=2');
    expect(first.items.map(({ id }) => id)).toEqual(whole.slice(0, 2));
    await asAdmin(controlPlane.databaseUrl, (client) =>
      client.query(`DELETE FROM ${table} WHERE id = $1`, [first.nextCursor]),
    );
    const second = await pageAt(path(), `limit=2&cursor=${first.nextCursor}`);
    expect(second.items.map(({ id }) => id)).toEqual(whole.slice(2, 4));
    const last = await pageAt(path(), `limit=2&cursor=${second.nextCursor}`);
    expect(last).toEqual({ items: [expect.objectContaining({ id: whole.at(4) })] });
  },
);
