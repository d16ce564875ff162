import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { auditEntry, auditVerification, page, type AuditVerification } from '@sallyport/contract';
import { chainEvents, GENESIS } from '@sallyport/crypto/audit-chain';
import { Sequencer } from '../../src/audit/index.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';
import { allPlaced, headOf, tamper } from './chain.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let url: string;
let sequencer: Sequencer;
beforeEach(async () => {
  // Without the worker nobody signs but the test.
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  sequencer = new Sequencer({ connectionString: controlPlane.databaseUrl }, controlPlane.platform);
  sequencer.start();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  url = controlPlane.databaseUrl;
  for (let group = 1; group <= 8; group += 1)
    await owner.call('POST', '/groups', { name: `plant-${group}` });
  await allPlaced(url);
});
afterEach(async () => {
  await sequencer.stop();
  await controlPlane.end();
});

async function verify(): Promise<AuditVerification> {
  const reply = await owner.call('GET', '/audit/verify');
  expect(reply.status).toBe(200);
  return auditVerification.parse(reply.body);
}

async function signHead(): Promise<void> {
  expect((await owner.call('POST', '/audit/checkpoints')).status).toBe(201);
  await allPlaced(url);
}

function broken(kind: string, position: number) {
  return { intact: false, break: { kind, position } };
}

const eventAt = (position: number) =>
  `(SELECT event_seq FROM audit_links WHERE position = ${position})`;

describe('[F-19] [A7-17] the verifier', () => {
  test('finds a chain that nobody touched intact, with its head, its size and its checkpoints', async () => {
    await signHead();
    const head = await headOf(url);
    expect(await verify()).toEqual({
      intact: true,
      base: 0,
      size: head.position,
      hash: head.hash,
      checkpoints: 1,
      break: null,
    });
  });

  test.each([
    ['its action', `action = 'group:delete'`],
    ['who did it', `actor_name = 'somebody'`],
    ['when', `at = at + interval '1 millisecond'`],
    ['a detail', `details = details || '{"version": 2}'`],
    ['when, to never', `at = 'infinity'`],
    ['a number that is none', `details = '{"version": 1e999}'`],
    ['the request', `request_id = 'another'`],
  ])('names an event that was edited: %s', async (_, change) => {
    await tamper(url, `UPDATE audit_events SET ${change} WHERE seq = ${eventAt(4)}`);
    expect(await verify()).toMatchObject(broken('edited', 4));
  });

  test('names an event that was deleted, alone or with its link', async () => {
    await tamper(url, `DELETE FROM audit_events WHERE seq = ${eventAt(5)}`);
    expect(await verify()).toMatchObject(broken('deleted', 5));
    await tamper(url, 'DELETE FROM audit_links WHERE position = 5');
    expect(await verify()).toMatchObject(broken('deleted', 5));
  });

  test('names the first of two events that were put in each other’s place', async () => {
    await tamper(
      url,
      `CREATE TEMP TABLE two AS SELECT position, event_seq FROM audit_links WHERE position IN (3, 6);
       ALTER TABLE audit_links DROP CONSTRAINT IF EXISTS audit_links_event_seq_key;
       DROP INDEX IF EXISTS audit_links_event_seq_key;
       UPDATE audit_links l SET event_seq = two.event_seq FROM two
        WHERE l.position IN (3, 6) AND two.position = 9 - l.position`,
    );
    expect(await verify()).toMatchObject(broken('reordered', 3));
  });

  test('finds that the end was cut off by a checkpoint', async () => {
    await signHead();
    const { position } = await headOf(url);
    await tamper(
      url,
      `DELETE FROM audit_events WHERE seq IN (SELECT event_seq FROM audit_links WHERE position >= ${position - 2});
       DELETE FROM audit_links WHERE position >= ${position - 2}`,
    );
    expect(await verify()).toMatchObject(broken('truncated', position - 2));
  });

  test('finds by a checkpoint, and by nothing else, that the whole chain was written anew', async () => {
    await rewritten();
    expect(await verify()).toMatchObject({ intact: true });
    await signHead();
    const { position } = await headOf(url);
    await rewritten();
    expect(await verify()).toMatchObject(broken('rewritten', position - 1));
  });

  test('finds that what a checkpoint says beside its signature was made to agree with a chain that was written anew', async () => {
    await signHead();
    await rewritten();
    await tamper(
      url,
      'UPDATE audit_checkpoints c SET hash = l.hash FROM audit_links l WHERE l.position = c.size',
    );
    expect(await verify()).toMatchObject({ intact: false, break: { kind: 'unsigned' } });
  });

  test('finds a checkpoint that none of its keys signed', async () => {
    await signHead();
    await tamper(url, `UPDATE audit_checkpoints SET note = replace(note, '— ', '— x')`);
    expect(await verify()).toMatchObject({ intact: false, break: { kind: 'unsigned' } });
  });

  test('does not take a beginning that was cut off at a checkpoint for retention', async () => {
    await signHead();
    await owner.call('POST', '/groups', { name: 'later' });
    await allPlaced(url);
    await tamper(
      url,
      `DELETE FROM audit_links WHERE position <= (SELECT max(size) FROM audit_checkpoints)`,
    );
    expect(await verify()).toMatchObject({ intact: false, break: { kind: 'unfounded' } });
  });

  test('finds an event that nobody gives a place', async () => {
    await tamper(
      url,
      `INSERT INTO audit_events SELECT gen_random_uuid(), at, actor_kind, actor_id, actor_name, action, subject,
         group_id, outcome, address, request_id, details, -1 FROM audit_events LIMIT 1`,
    );
    expect(await verify()).toMatchObject({ intact: false, break: { kind: 'unplaced' } });
  });
});

/** Gives every link the hash that it would have if the second event had always been another. */
async function rewritten(): Promise<void> {
  await tamper(
    url,
    `UPDATE audit_events SET actor_name = actor_name || 'x' WHERE seq = ${eventAt(2)}`,
  );
  const reply = await owner.call('GET', '/audit?order=oldest&limit=200');
  const entries = page(auditEntry).parse(reply.body).items;
  const links = chainEvents(GENESIS, JSON.parse(JSON.stringify(entries.map(({ event }) => event))));
  await tamper(
    url,
    links
      .map(
        ({ position, hash }) =>
          `UPDATE audit_links SET hash = decode('${hash}', 'base64') WHERE position = ${position}`,
      )
      .join(';'),
  );
}
