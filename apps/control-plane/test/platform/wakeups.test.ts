import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin, createTestDatabase } from '@sallyport/testkit/database';
import { createLog } from '../../src/platform/log.ts';
import { WakeupListener, type Wakeup } from '../../src/platform/wakeups.ts';

let url: string;
let dropDatabase: () => Promise<void>;
let listener: WakeupListener;
let heard = Promise.withResolvers<Wakeup>();
beforeAll(async () => {
  const database = await createTestDatabase();
  url = database.url;
  dropDatabase = database.drop;
  listener = new WakeupListener(url, createLog('error', { write: () => {} }), {
    wakeup: (message) => heard.resolve(message),
    connected: () => {},
  });
  await listener.start();
});
afterAll(async () => {
  await listener.close();
  await dropDatabase();
});

test.each(['', 'not JSON', '{"kind":"group"}', 'null'])(
  'a notification that is no wake-up (%j) is passed over, and the next one is heard',
  async (payload) => {
    heard = Promise.withResolvers();
    const message = { kind: 'group', groupId: randomUUID() };
    await asAdmin(url, async (client) => {
      for (const text of [payload, JSON.stringify(message)])
        await client.query('SELECT pg_notify($1, $2)', ['sallyport_wakeups', text]);
    });
    expect(await heard.promise).toEqual(message);
  },
);
