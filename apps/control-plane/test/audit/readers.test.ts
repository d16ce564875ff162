import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { recordAct } from '../../src/audit/index.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { OperatorClient } from '../operator-client.ts';
import { askRaw } from '../raw-request.ts';
import { act, op } from './chain.ts';

/** Whoever reads the chain waits; whoever records does not. */
const HOLD = 'LOCK TABLE audit_links IN ACCESS EXCLUSIVE MODE';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ startMs: Date.now() });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

test('lists that take long leave connections for acts that are recorded', async () => {
  const { platform, databaseUrl } = controlPlane;
  const statuses: number[] = [];
  let lists: Promise<unknown>[] = [];
  await whileHeld(databaseUrl, HOLD, async () => {
    lists = Array.from({ length: 8 }, async () => {
      statuses.push((await owner.call('GET', '/audit?actor=nobody')).status);
    });
    await lockWaits(databaseUrl, 2);
    await recordAct(platform, op, act);
    expect(statuses).toEqual([]);
  });
  await Promise.all(lists);
  expect(statuses).toEqual(Array.from({ length: 8 }, () => 200));
});

test('a verification may be silent for longer than other replies', async () => {
  const { operatorApp, databaseUrl } = controlPlane;
  await operatorApp.listen({ host: '127.0.0.1', port: 0 });
  operatorApp.server.setTimeout(500);
  let verified: Promise<string> | undefined;
  await whileHeld(databaseUrl, HOLD, async () => {
    verified = answerTo(await ask('/audit/verify'));
    // That it is over, in which others are answered, is told by one of them.
    expect(await answerTo(await ask('/audit'))).toBe('');
  });
  expect(await verified).toMatch(/^HTTP\/1\.1 200 [^]*"intact":true/);
});

const ask = (path: string) =>
  askRaw(controlPlane, path, [`authorization: Bearer ${owner.token}`, 'connection: close']);

/** All that comes, until it is closed. */
function answerTo(socket: TLSSocket): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.once('close', () => resolve(answer));
  });
}
