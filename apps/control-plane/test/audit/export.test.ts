import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { auditRow } from '../../src/audit/audit-event.ts';
import { insertAuditRows } from '../../src/audit/index.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';
import { askRaw } from '../raw-request.ts';
import { act, allPlaced, op } from './chain.ts';

/** Many more than the buffers of a connection hold. */
const EVENTS = 40_000;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ startMs: Date.now() });
  await controlPlane.operatorApp.listen({ host: '127.0.0.1', port: 0 });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  for (let done = 0; done < EVENTS; done += 2_000)
    await insertAuditRows(
      controlPlane.platform.db,
      Array.from({ length: 2_000 }, () => auditRow(op, act, Date.now())),
    );
  await allPlaced(controlPlane.databaseUrl);
});
afterAll(() => controlPlane.end());

const ask = () => askRaw(controlPlane, '/audit/export', [`authorization: Bearer ${owner.token}`]);

async function leave(socket: TLSSocket): Promise<void> {
  socket.destroy();
  await once(socket, 'close');
}

describe('an export that its caller leaves', () => {
  test.each([
    ['before it is answered', async () => {}],
    ['in its midst', async (socket: TLSSocket) => void (await once(socket, 'data'))],
  ])('%s holds up none that comes after it', async (_, moment) => {
    for (let round = 0; round < 8; round += 1) {
      const socket = await ask();
      await moment(socket);
      await leave(socket);
    }
    expect((await owner.call('GET', '/audit/verify')).body).toMatchObject({ intact: true });
  });
});
