import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Host } from '../fixtures/host.ts';
import { Installation } from '../fixtures/installation.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/agent.md'), 'utf8');
const [, section = ''] = page.split('## Before you begin\n');
/** What the page has an operator write, and by which command. */
const writes = [...section.matchAll(/^echo '(.*)' \| sallyport (.*)$/gm)];

let installation: Installation;
let host: Host;
beforeAll(async () => {
  installation = await Installation.create();
  const replica = await installation.startReplica('control-plane');
  const owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'demo' });
  host = await installation.enrolledHost(owner, replica, 'demo', 'host');
  await installation.logIn(replica);
  await host.run();
}, 60_000);
afterAll(() => installation.end());

test('[SG-40] [SG-41] what docs/agent.md begins with makes what its examples read', async () => {
  expect(writes).toHaveLength(5);
  for (const [, value = '', command = ''] of writes)
    await installation.done(command.split(' '), `${value}\n`);
  await host.untilSecret('api/key', 'of another program');
  const told = async (...args: string[]) => (await host.agent(args)).stdout;
  expect(await told('get', 'db/login', '--field', 'user')).toBe('shop');
  expect(await told('lease', 'take', 'db/root', '--ttl', '300')).toBe('for a while');
  await host.untilHealth(({ entries }) => entries === 3);
  expect(JSON.parse((await host.read('/v1/config/rate-limit')).body)).toEqual({ perSecond: 5 });
});
