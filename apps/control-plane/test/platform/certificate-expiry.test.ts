import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { selfSigned } from '@sallyport/tls/test/issuer';
import { warnOfCertificateExpiry } from '../../src/certificates/index.ts';
import { sql } from '../audit/chain.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';

const day = 24 * 3_600_000;
const start = Date.UTC(2030, 0, 1);

let first: TestControlPlane;
let second: TestControlPlane;
beforeAll(async () => {
  first = await startControlPlane();
  const { databaseUrl, rootKey } = first;
  second = await startControlPlane({ databaseUrl, rootKey });
  const owner = await OperatorClient.signedIn(first.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
});
afterAll(async () => {
  await second.end();
  await first.end();
});

/** Puts a certificate that ends so many days after the start. */
async function put(name: string, endsOnDay: number): Promise<void> {
  const owner = await OperatorClient.signedIn(first.operatorApp);
  const notAfter = new Date(start + endsOnDay * day);
  const { chain, key } = await selfSigned({ notAfter });
  const reply = await owner.call('PUT', `/groups/plant-7/certificates/${name}`, { chain, key });
  if (reply.status >= 300) throw new Error(reply.text);
}

/** Both replicas look several times at once, on that day; returns the warnings that came of it. */
async function lookOn(dayNumber: number): Promise<string[]> {
  for (const { clock } of [first, second]) clock.set(start + dayNumber * day);
  const before = await warnings();
  await Promise.all(
    [first, second, first, second].map((one) => warnOfCertificateExpiry(one.platform)),
  );
  return (await warnings()).slice(before.length);
}

async function warnings(): Promise<string[]> {
  return asAdmin(first.databaseUrl, async (database) => {
    const { rows } = await database.query<{ text: string }>(
      `SELECT subject || ' ' || (details->>'days') AS text FROM audit_events
        WHERE action = 'certificate:expiring' AND actor_kind = 'system' AND group_id IS NOT NULL ORDER BY at, id`,
    );
    return rows.map(({ text }) => text);
  });
}

test('a certificate is warned of once at 30, 14, 7 and 1 days, whoever looks and however often', async () => {
  await put('a', 40);
  const seen: Record<number, string[]> = {};
  for (const on of [0, 9, 11, 12, 25, 27, 32, 34, 38, 39.5, 41]) seen[on] = await lookOn(on);
  expect(seen).toEqual({
    0: [],
    9: [],
    11: ['certificate:a 30'],
    12: [],
    25: [],
    27: ['certificate:a 14'],
    32: [],
    34: ['certificate:a 7'],
    38: [],
    39.5: ['certificate:a 1'],
    41: [],
  });
});

test('of thresholds that passed unseen the nearest is told, and a replaced certificate begins anew', async () => {
  await put('b', 46);
  expect(await lookOn(41)).toEqual(['certificate:b 7']);
  await put('b', 101);
  expect(await lookOn(41)).toEqual([]);
  expect(await lookOn(72)).toEqual(['certificate:b 30']);
});

test('more certificates than one transaction takes are each warned of once, in one statement of each transaction', async () => {
  await asAdmin(first.databaseUrl, async (database) => {
    await database.query(`INSERT INTO certificates (id, group_id, name, version, offline, subject, issuer,
        serial_number, dns_names, ip_addresses, uris, not_before, not_after, fingerprint, key_algorithm, created_at, updated_at)
      SELECT gen_random_uuid(), c.group_id, 'many-' || n, 1, 'deny', '', '', '', '{}', '{}', '{}',
        c.not_before, '2030-07-01', '', '', now(), now()
      FROM certificates c, generate_series(1, 450) n WHERE c.name = 'a'`);
  });
  const told = await lookOn(175);
  expect(told.filter((text) => text.startsWith('certificate:many-'))).toHaveLength(450);
  expect(new Set(told).size).toBe(told.length);
  const written = await sql(
    first.databaseUrl,
    `SELECT DISTINCT xmin::text, cmin::text FROM audit_events WHERE subject LIKE 'certificate:many-%'`,
  );
  const transactions = new Set(written.map(({ xmin }) => xmin));
  expect(written.length).toBe(transactions.size);
});

test('the metrics count them by threshold', async () => {
  await asAdmin(first.databaseUrl, (database) =>
    database.query(`DELETE FROM certificates WHERE name LIKE 'many-%'`),
  );
  for (const { clock } of [first, second]) clock.set(start + 90 * day);
  const counts = async () => {
    const { payload } = await first.metricsApp.inject('/metrics');
    return [
      ...payload.matchAll(/^sallyport_certificates_expiring\{within_days="(\d+)"\} (\d+)$/gm),
    ].map(([, days, count]) => `${days}: ${count}`);
  };
  // a ended 50 days ago, b ends in 11.
  expect(await counts()).toEqual(['1: 1', '7: 1', '14: 2', '30: 2']);
});
