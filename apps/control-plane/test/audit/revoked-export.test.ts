import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { auditRow } from '../../src/audit/audit-event.ts';
import { insertAuditRows } from '../../src/audit/index.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { field, OperatorClient } from '../operator-client.ts';
import { act, op, placeAll } from './chain.ts';

const EVENTS = 10_000;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  const rows = Array.from({ length: EVENTS }, () => auditRow(op, act, controlPlane.clock.now()));
  await insertAuditRows(controlPlane.platform.db, rows);
  await placeAll(controlPlane);
});
afterAll(() => controlPlane.end());

/** How many lines come of an export by a new auditor, when `meanwhile` happens after the first of them. */
async function linesOf(meanwhile: (keyId: string) => Promise<unknown>) {
  const roles = [{ role: 'auditor', group: null }];
  const made = await owner.call('POST', '/api-keys', { name: 'auditor', roles });
  const reply = await controlPlane.operatorApp.inject({
    url: '/api/v1/audit/export',
    headers: { authorization: `Bearer ${field(made.body, 'key')}` },
    payloadAsStream: true,
  });
  expect(reply.statusCode).toBe(200);
  let lines = 0;
  try {
    for await (const part of reply.stream()) {
      if (lines === 0) await meanwhile(field(made.body, 'id'));
      lines += String(part).split('\n').length - 1;
    }
  } catch {
    // Broken off.
  }
  return lines;
}

test('an export is as long as the chain, when nothing happens meanwhile', async () => {
  expect(await linesOf(async () => {})).toBeGreaterThan(EVENTS);
});

test('[AT-10] an export that is under way breaks off when its key is revoked', async () => {
  const lines = await linesOf((key) => owner.call('POST', `/api-keys/${key}/revoke`));
  expect(lines).toBeGreaterThan(0);
  expect(lines).toBeLessThan(EVENTS / 2);
});
