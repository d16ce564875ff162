import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { AcceptedPool } from '../src/accepted-pool.ts';
import { HttpsLink } from '../src/https-link.ts';
import { agentLeaf, credentials, diallingServer, organisation } from './reverse.ts';
import { startServer, startTcpServer } from './server.ts';

test('[F-01] when all connections break at once, an unused one first, the request goes over the next one', async () => {
  const pool = new AcceptedPool(5_000);
  const link = new HttpsLink({ baseUrl: 'https://control-plane.invalid', accepted: pool });
  await using agent = await startServer({
    ...credentials(agentLeaf),
    ca: organisation.rootPem,
    requestCert: true,
  });
  agent.server
    .removeAllListeners('secureConnection')
    .on('secureConnection', (socket) => pool.add(socket));
  const legs: Socket[] = [];
  await using between = await startTcpServer((near) => {
    const far = connect(agent.port, '127.0.0.1');
    legs.unshift(far);
    far.on('error', () => {});
    near.pipe(far).pipe(near);
  });
  let isBack = false;
  await using controlPlane = await diallingServer(between.port, ({ url }, response) => {
    if (url !== '/held' || isBack) response.end(`answer to ${url}`);
  });
  const accepted = () => once(agent.server, 'secureConnection');
  await Promise.all([accepted(), controlPlane.dial()]);
  // So that what follows is sent again when its connection breaks.
  await link.request('GET', '/');
  const held = link.request('GET', '/held');
  await once(controlPlane.server, 'request');
  await Promise.all([accepted(), controlPlane.dial()]);
  isBack = true;
  for (const leg of legs) leg.resetAndDestroy();
  await controlPlane.dial();
  expect((await held).body.toString()).toBe('answer to /held');
  link.close();
});
