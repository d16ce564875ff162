import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  auditCheckpoint,
  auditEntry,
  auditExportBase,
  auditExportLine,
  auditVerifierKeys,
  page,
  type AuditEntry,
} from '@sallyport/contract';
import { parseVerifierKey, verifyCheckpoint } from '@sallyport/crypto/checkpoint';
import { ChainVerifier } from '@sallyport/crypto/verify-audit';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { field, OperatorClient } from '../operator-client.ts';
import { allPlaced, headOf, sql } from './chain.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let auditorOf7: OperatorClient;
let revealed: string;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  for (const name of ['plant-7', 'plant-8']) {
    await owner.call('POST', '/groups', { name });
    await owner.call('PUT', `/groups/${name}/secrets/db`, { value: 'value-of-it' });
    controlPlane.clock.advance(60_000);
  }
  await owner.call('PUT', '/groups/plant-7/secrets/db', { value: 'value-of-it', offline: 'allow' });
  const reply = await owner.call('POST', '/groups/plant-7/secrets/db/reveal', {});
  revealed = String(reply.headers['x-request-id']);
  const key = await owner.call('POST', '/api-keys', {
    name: 'auditor',
    roles: [{ role: 'auditor', group: 'plant-7' }],
  });
  auditorOf7 = new OperatorClient(controlPlane.operatorApp);
  auditorOf7.token = field(key.body, 'key');
  await auditorOf7.call('PUT', '/groups/plant-7/secrets/db', { value: 'x' });
  await allPlaced(controlPlane.databaseUrl);
});
afterAll(() => controlPlane.end());

async function list(query: string, caller = owner): Promise<AuditEntry[]> {
  const reply = await caller.call('GET', `/audit?${query}`);
  expect({ query, status: reply.status }).toEqual({ query, status: 200 });
  return page(auditEntry).parse(reply.body).items;
}

const actions = (entries: AuditEntry[]) => entries.map(({ event }) => event.action);

describe('[SG-43] the list of audit events', () => {
  test('is in the order of the chain, and its cursors are positions', async () => {
    const { position } = await headOf(controlPlane.databaseUrl);
    const newest = await list('limit=200');
    expect(newest.map((entry) => entry.position)).toEqual(
      Array.from({ length: position }, (_, index) => position - index),
    );
    const first = await owner.call('GET', '/audit?order=oldest&limit=3');
    expect(first.body).toMatchObject({ nextCursor: '3' });
    expect((await list('order=oldest&limit=3&cursor=3')).map((entry) => entry.position)).toEqual([
      4, 5, 6,
    ]);
    expect((await list('limit=2&cursor=4')).map((entry) => entry.position)).toEqual([3, 2]);
  });

  test('is filtered by who, what, on what, in which group, with what outcome, in which request and when', async () => {
    expect(actions(await list('subject=secret:db&group=plant-7&outcome=done'))).toEqual([
      'secret:reveal',
      'secret:write',
      'secret:write',
    ]);
    expect(actions(await list('action=group:create&order=oldest'))).toHaveLength(2);
    const refused = await list(`actor=auditor&outcome=refused`);
    expect(actions(refused)).toEqual(['secret:write']);
    expect(await list(`actor=${refused[0]?.event.actor.id}&outcome=refused`)).toEqual(refused);
    expect(actions(await list(`requestId=${revealed}`))).toEqual(['secret:reveal']);
    const [second, first] = await list('action=group:create');
    const between = `since=${first?.event.at}&until=${second?.event.at}&group=plant-7`;
    expect(actions(await list(between))).toEqual(['secret:write', 'group:create']);
    expect(await list('actor=nobody')).toEqual([]);
    expect(await list('code=permission.denied&group=plant-7')).toEqual(refused);
    expect(await list('code=session.invalid')).toEqual([]);
    expect(new Set((await list('limit=200')).map(({ group }) => group))).toEqual(
      new Set(['plant-7', 'plant-8', null]),
    );
  });

  test('tells whose id it is asked for from whose name that is', async () => {
    const [mine] = await list('actor=owner&limit=1');
    const id = String(mine?.event.actor.id);
    const body = { name: id, roles: [{ role: 'auditor', group: 'plant-7' }] };
    const named = new OperatorClient(controlPlane.operatorApp);
    named.token = field((await owner.call('POST', '/api-keys', body)).body, 'key');
    await named.call('PUT', '/groups/plant-7/secrets/db', { value: 'x' });
    await allPlaced(controlPlane.databaseUrl);
    const [theirs] = await list('limit=1&outcome=refused');
    expect(theirs?.event.actor).toMatchObject({ kind: 'apiKey', name: id });
    const byId = await list(`actor=${id}&limit=200`);
    expect(new Set(byId.map(({ event }) => event.actor.name))).toEqual(new Set(['owner']));
    expect(await list(`actor=${id.toUpperCase()}&limit=200`)).toEqual(byId);
    expect(await list(`actor=${theirs?.event.actor.id}`)).toEqual([theirs]);
  });

  test('finds deleted groups by their name, and by their id once another has the name', async () => {
    const make = async () => {
      const made = await owner.call('POST', '/groups', { name: 'gone' });
      return field(made.body, 'id');
    };
    const remove = () => owner.call('DELETE', '/groups/gone');
    const ids = [await make()];
    expect((await remove()).status).toBe(204);
    ids.push(await make());
    expect((await remove()).status).toBe(204);
    await allPlaced(controlPlane.databaseUrl);
    const foundBy = async (group: string) =>
      (await list(`group=${group}&order=oldest`)).map(({ event }) => [event.groupId, event.action]);
    const [first = '', second = ''] = ids;
    const ofDeleted = ids.flatMap((id) => [
      [id, 'group:create'],
      [id, 'group:delete'],
    ]);
    expect(await foundBy('gone')).toEqual(ofDeleted);

    const third = await make();
    await owner.call('POST', '/groups', { name: second });
    await allPlaced(controlPlane.databaseUrl);
    expect(await foundBy('gone')).toEqual([[third, 'group:create']]);
    expect(await foundBy(first)).toEqual(ofDeleted.slice(0, 2));
    expect(await foundBy(first.toUpperCase())).toEqual(ofDeleted.slice(0, 2));
    expect(await foundBy(second)).toEqual(ofDeleted.slice(2));
    for (const group of [first, 'gone'])
      expect(await auditorOf7.call('GET', `/audit?group=${group}`)).toMatchObject({
        status: 404,
        body: { code: 'group.not_found' },
      });
  });

  test.each([
    'cursor=-1',
    'cursor=x',
    'outcome=maybe',
    'since=yesterday',
    'order=up',
    'colour=red',
  ])('refuses %s', async (query) => {
    expect((await owner.call('GET', `/audit?${query}`)).status).toBe(400);
  });

  test('shows who holds its right in a group the events of that group, and no other', async () => {
    const seen = await list('limit=200', auditorOf7);
    const ids = new Set(seen.map(({ event }) => event.groupId));
    expect([seen.length > 3, ids.size, ids.has(null)]).toEqual([true, 1, false]);
    const other = await auditorOf7.call('GET', '/audit?group=plant-8');
    expect([other.status, other.body]).toMatchObject([404, { code: 'group.not_found' }]);
    for (const path of ['/audit/verify', '/audit/export', '/audit/checkpoints'])
      expect((await auditorOf7.call('GET', path)).status).toBe(403);
  });

  test('tells of a change what was and what is, values masked unless they are on the list', async () => {
    const [, change] = await list('action=secret:write&group=plant-7&outcome=done&order=oldest');
    expect(change?.event.details).toMatchObject({
      before: { version: 1, offline: 'deny' },
      after: { version: 2, offline: 'allow' },
    });
    expect((await owner.call('GET', '/audit?limit=200')).text).not.toContain('value-of-it');
  });

  test('[AT-02] tells on what a refused act was tried, by names of the contract alone', async () => {
    const [id, within] = [
      '01890a5d-ac96-774b-bcce-b302099a8057',
      '01890a5d-ac96-774b-bcce-b302099a8058',
    ];
    const tried = [
      ['DELETE', '/groups/plant-7/secrets/db%2Fowner', 'secret:db/owner'],
      ['DELETE', '/groups/plant-7/plugins/gateway', 'plugin:gateway'],
      ['DELETE', '/groups/plant-7/certificates/web', 'certificate:web'],
      ['POST', `/groups/plant-7/leases/${id.toUpperCase()}/revoke`, `lease:${id}`],
      ['DELETE', '/groups/plant-7/links/east', 'link:east'],
      ['DELETE', `/groups/plant-7/enrollment-tokens/${id}`, `enrollment-token:${id}`],
      ['POST', `/agents/${id}/tokens/${within}/revoke`, `agent-token:${within}`],
      ['GET', `/agents/${id}/tasks/${within}`, `task:${within}`],
      ['POST', `/agents/${id}/revoke`, `agent:${id}`],
      ['POST', '/groups/plant-9/keyring/rotate', 'group:plant-9'],
      ['DELETE', '/plugin-types/generic', 'plugin-type:generic'],
      ['DELETE', '/operators/owner', 'operator:owner'],
      ['POST', `/api-keys/${id}/revoke`, `api-key:${id}`],
      ['DELETE', `/certificate-authorities/${id}`, `certificate-authority:${id}`],
      ['DELETE', `/role-bindings/${id}`, 'route:/api/v1/role-bindings/:binding'],
      ['DELETE', '/groups/plant-7/secrets/no%20name', undefined],
    ] as const;
    const replies = [];
    for (const [method, path] of tried) replies.push(await auditorOf7.call(method, path));
    await allPlaced(controlPlane.databaseUrl);
    const recorded = await Promise.all(
      replies.map(async ({ headers }) => list(`requestId=${String(headers['x-request-id'])}`)),
    );
    expect(recorded.map(([found]) => found?.event.subject)).toEqual(tried.map(([, , on]) => on));
    expect(await list('subject=secret:db/owner&group=plant-7&outcome=refused')).toHaveLength(1);
  });
});

test('[SG-03] one query leads from a request id to who asked, from where, and the version of the secret', async () => {
  const found = await sql(
    controlPlane.databaseUrl,
    `SELECT e.actor_name AS who, e.address AS "from", g.name AS "group", s.name AS secret, v.version,
            l.position > 0 AS chained
       FROM audit_events e JOIN audit_links l ON l.event_seq = e.seq JOIN groups g ON g.id = e.group_id
       JOIN secrets s ON s.group_id = g.id AND e.subject = 'secret:' || s.name
       JOIN secret_versions v ON v.secret_id = s.id AND v.version = (e.details ->> 'version')::int
      WHERE e.request_id = '${revealed}'`,
  );
  expect(found).toEqual([
    { who: 'owner', from: '127.0.0.1', group: 'plant-7', secret: 'db', version: 2, chained: true },
  ]);
});

describe('a checkpoint', () => {
  test('is made on demand, signed by the key that is published, and listed', async () => {
    const head = await headOf(controlPlane.databaseUrl);
    const reply = await owner.call('POST', '/audit/checkpoints');
    const made = auditCheckpoint.parse(reply.body);
    expect(made).toMatchObject({ size: head.position, hash: head.hash });
    const { keys } = auditVerifierKeys.parse((await owner.call('GET', '/audit/verifier-key')).body);
    expect(verifyCheckpoint(parseVerifierKey(keys[0] ?? ''), made.note)).toEqual(head);
    const listed = page(auditCheckpoint).parse(
      (await owner.call('GET', '/audit/checkpoints')).body,
    );
    expect(listed.items[0]).toEqual(made);
    const bundleKeys = await sql(controlPlane.databaseUrl, 'SELECT id FROM signing_keys');
    expect(bundleKeys).toHaveLength(1);
  });
});

describe('an export', () => {
  const linesOf = async (query = '') => {
    const reply = await owner.call('GET', `/audit/export${query}`);
    expect([reply.status, reply.headers['content-type']]).toEqual([200, 'application/x-ndjson']);
    const [base = '', ...lines] = reply.text.trimEnd().split('\n');
    return {
      base: auditExportBase.parse(JSON.parse(base)).base,
      links: lines.map((line) => auditExportLine.parse(JSON.parse(line))),
    };
  };

  test('verifies by itself, as a whole and in part', async () => {
    await allPlaced(controlPlane.databaseUrl);
    const whole = await linesOf();
    expect(whole.base.position).toBe(0);
    const verifier = new ChainVerifier(whole.base);
    for (const link of whole.links) verifier.add(link);
    expect(verifier.end()).toMatchObject({ intact: true, head: { position: whole.links.length } });
    const part = await linesOf('?from=4&to=6');
    expect(part.links.map(({ position }) => position)).toEqual([4, 5, 6]);
    const partial = new ChainVerifier(part.base);
    for (const link of part.links) partial.add(link);
    expect(partial.end()).toMatchObject({ intact: true });
  });

  test('is recorded before it begins, and refused beyond the end of the chain', async () => {
    await linesOf('?from=2&to=3');
    await allPlaced(controlPlane.databaseUrl);
    const [entry] = await list('action=audit:export');
    expect(entry?.event.details).toEqual({ from: 2, to: 3 });
    expect((await owner.call('GET', '/audit/export?from=100000')).status).toBe(400);
  });
});
