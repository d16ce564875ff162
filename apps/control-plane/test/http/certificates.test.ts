import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { certificate, type CertificateMetadata } from '@sallyport/contract';
import { asAdmin } from '@sallyport/testkit/database';
import { Issuer, type IssuedLeaf, type LeafOptions } from '@sallyport/tls/test/issuer';
import { z } from 'zod';
import { publishedOperations } from '../authorization/operations.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient, type Reply } from '../operator-client.ts';

const fixtures = new URL('../../../../packages/tls/test/fixtures/', import.meta.url);
const pkcs12 = (name: string) => readFileSync(new URL(`${name}.p12`, fixtures)).toString('base64');
const path = '/groups/plant-7/certificates/web%2Fshop';
const day = 24 * 3_600_000;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let issuer: Issuer;
let leaf: IssuedLeaf;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  issuer = await (await Issuer.root()).intermediate();
  leaf = await issuer.leaf({ names: [{ type: 'dns', value: 'shop.test' }] });
  await owner.call('POST', '/groups', { name: 'plant-7' });
});
afterAll(() => controlPlane.end());

const put = ({ chain, key }: IssuedLeaf, more: object = {}, at = path) =>
  owner.call('PUT', at, { chain, key, ...more });
const metadata = ({ body }: Reply): CertificateMetadata => certificate.parse(body);
const namesIn = ({ body }: Reply) =>
  z
    .object({ items: z.array(certificate) })
    .parse(body)
    .items.map(({ name }) => name);

async function sql(statement: string): Promise<Record<string, unknown>[]> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  });
}

/** The content of each PEM block, in every form in which it could stand somewhere. */
function formsOf({ chain, key }: { chain: string; key: string }): string[] {
  const blocks = [...`${chain}${key}`.matchAll(/-----\n([\w+/=\n]+)\n-----END/g)];
  return blocks.flatMap(([, base64 = '']) => {
    // Its middle, which no other certificate or key has: as bytes in hex, and in base64 at each offset.
    const der = Buffer.from(base64, 'base64');
    const middle = der.subarray(-60, -20);
    const shifted = [0, 1, 2].map((skip) => middle.subarray(skip).toString('base64').slice(0, 40));
    return [middle.toString('hex'), middle.toString('latin1'), ...shifted];
  });
}

/** Without line ends, escaped or not, that break base64 in two. */
const joined = (text: string) => text.replaceAll(/\\+n|\n/g, '');

describe('a certificate', () => {
  test('[A7-11] is created, shown, replaced as a whole and deleted; its metadata is queryable in the database', async () => {
    const created = await put(leaf);
    expect(created).toMatchObject({
      status: 201,
      body: {
        name: 'web/shop',
        version: 1,
        offline: 'deny',
        subject: 'CN=server',
        issuer: 'CN=Test intermediate',
        dnsNames: ['shop.test'],
        keyAlgorithm: 'EC-P-256',
      },
    });
    expect((await owner.call('GET', path)).body).toEqual(created.body);
    const next = await issuer.leaf({
      names: [
        { type: 'dns', value: 'new.test' },
        { type: 'ip', value: '10.0.0.1' },
      ],
    });
    const replaced = await put(next, { offline: 'allow' });
    expect(replaced).toMatchObject({
      status: 200,
      body: { version: 2, offline: 'allow', dnsNames: ['new.test'], ipAddresses: ['10.0.0.1'] },
    });
    expect(metadata(replaced).fingerprint).not.toBe(metadata(created).fingerprint);
    expect(await put(leaf)).toMatchObject({ status: 200, body: { version: 3, offline: 'allow' } });
    const found = await sql(`SELECT name, fingerprint FROM certificates
      WHERE 'shop.test' = ANY (dns_names) AND issuer LIKE '%intermediate' AND not_after > now()`);
    expect(found).toEqual([{ name: 'web/shop', fingerprint: metadata(created).fingerprint }]);
    expect(await sql('SELECT count(*)::int AS bodies FROM certificate_bodies')).toEqual([
      { bodies: 1 },
    ]);
    expect((await owner.call('DELETE', path)).status).toBe(204);
    for (const method of ['GET', 'DELETE'] as const)
      expect(await owner.call(method, path)).toMatchObject({
        status: 404,
        body: { code: 'certificate.not_found' },
      });
    expect(await sql('SELECT count(*)::int AS bodies FROM certificate_bodies')).toEqual([
      { bodies: 0 },
    ]);
  });

  test('from PKCS#12 is the same, and every change is audited without what was sent', async () => {
    const body = { pkcs12: pkcs12('modern'), password: 'correct horse' };
    expect(await owner.call('PUT', '/groups/plant-7/certificates/p12', body)).toMatchObject({
      status: 201,
      body: { subject: 'CN=Fixture leaf', dnsNames: ['fixture.test'] },
    });
    const events = await sql(`SELECT action, subject, details FROM audit_events
      WHERE action LIKE 'certificate:%' ORDER BY at, id`);
    expect(events.map(({ action }) => action)).toEqual([
      ...Array.from({ length: 3 }, () => 'certificate:write'),
      'certificate:delete',
      'certificate:write',
    ]);
    expect(JSON.stringify(events)).not.toMatch(/BEGIN|correct horse/);
  });
});

test('[A7-12] neither chain nor key is in any row of the database, in any form, and the same one twice is different ciphertext', async () => {
  for (const name of ['one', 'two']) await put(leaf, {}, `/groups/plant-7/certificates/${name}`);
  const rows: string[] = await asAdmin(controlPlane.databaseUrl, async (database) => {
    const { rows: tables } = await database.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    const found: string[] = [];
    for (const { name } of tables) {
      const { rows } = await database.query<{ row: string }>(
        `SELECT t::text AS row FROM ${name} t`,
      );
      found.push(...rows.map(({ row }) => row));
    }
    return found;
  });
  const dump = joined(rows.join('\n'));
  expect(dump).toContain('shop.test');
  for (const form of formsOf(leaf)) expect(dump).not.toContain(form);
  const sealed = await sql(`SELECT encode(sealed_body, 'hex') AS sealed FROM certificate_bodies`);
  expect(new Set(sealed.map((row) => row['sealed'])).size).toBe(sealed.length);
  // The search finds what is there to be found.
  const planted = joined(JSON.stringify({ ...leaf }));
  expect(formsOf(leaf).filter((form) => planted.includes(form)).length).toBeGreaterThanOrEqual(2);
});

test('[A7-13] no GET of the published API, lists included, nor the reply to the upload, nor the log holds chain or key', async () => {
  const agent = await agentIn(owner, 'plant-7', controlPlane);
  const token = await owner.call('GET', '/groups/plant-7/enrollment-tokens');
  const known: Record<string, string> = {
    group: 'plant-7',
    certificate: 'one',
    agent: agent.id,
    token: String(
      Reflect.get(
        z.object({ items: z.array(z.object({ id: z.string() })) }).parse(token.body).items[0] ?? {},
        'id',
      ),
    ),
  };
  const replies = [await put(leaf, {}, '/groups/plant-7/certificates/one')];
  const asked = [];
  for (const { method, path: template } of await publishedOperations(controlPlane)) {
    if (method !== 'GET') continue;
    const filled = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => known[name] ?? 'one');
    asked.push(filled);
    replies.push(await owner.call('GET', filled));
  }
  expect(asked).toEqual(
    expect.arrayContaining(['/groups/plant-7/certificates', '/groups/plant-7/certificates/one']),
  );
  // The control plane's own CA is public: whoever connects is shown it.
  const own = joined(JSON.stringify(controlPlane.caCertificate).slice(1, -1));
  const everything = joined(
    replies.map(({ text }) => text).join('\n') + controlPlane.logged(),
  ).replaceAll(own, '');
  expect(everything).toContain('shop.test');
  expect(everything).not.toMatch(/BEGIN (CERTIFICATE|PRIVATE)/);
  for (const form of formsOf(leaf)) expect(everything).not.toContain(form);
});

describe('the list', () => {
  const list = async (query: string) =>
    namesIn(await owner.call('GET', `/groups/ends/certificates${query}`));
  const inDays = (days: number): LeafOptions => ({
    notAfter: new Date(controlPlane.clock.now() + days * day),
  });

  test('comes in pages, and is filtered by expiry', async () => {
    await owner.call('POST', '/groups', { name: 'ends' });
    for (const days of [5, 20, 40])
      await put(await issuer.leaf(inDays(days)), {}, `/groups/ends/certificates/in-${days}`);
    expect(await list('')).toEqual(['in-20', 'in-40', 'in-5']);
    expect(await list('?expiresWithinDays=30')).toEqual(['in-20', 'in-5']);
    expect(await list('?expiresWithinDays=0')).toEqual([]);
    const before = new Date(controlPlane.clock.now() + 10 * day).toISOString();
    expect(await list(`?expiresBefore=${before}`)).toEqual(['in-5']);
    expect(await list(`?expiresBefore=${before}&expiresWithinDays=1`)).toEqual([]);
    const first = await owner.call('GET', '/groups/ends/certificates?expiresWithinDays=30&limit=1');
    expect(first.body).toMatchObject({ items: [{ name: 'in-20' }], nextCursor: 'in-20' });
    expect(await list('?expiresWithinDays=30&limit=1&cursor=in-20')).toEqual(['in-5']);
  });

  test.each(['expiresWithinDays=-1', 'expiresWithinDays=x', 'expiresBefore=tomorrow', 'other=1'])(
    'refuses ?%s',
    async (query) => {
      expect(await owner.call('GET', `/groups/ends/certificates?${query}`)).toMatchObject({
        status: 400,
        body: { code: 'request.invalid' },
      });
    },
  );
});

describe('an upload that no client would accept', () => {
  const refused = async (body: object, code: string, field: string) => {
    const reply = await owner.call('PUT', '/groups/plant-7/certificates/refused', body);
    expect(reply).toMatchObject({ status: 400, body: { code, issues: [{ field }] } });
    expect((await owner.call('GET', '/groups/plant-7/certificates/refused')).status).toBe(404);
    for (const value of Object.values(body)) expect(reply.text).not.toContain(String(value));
  };

  test('is refused with the reason, the field and nothing of its content, and leaves nothing behind', async () => {
    const { chain, key, parts } = leaf;
    const other = await issuer.leaf({ notAfter: new Date(controlPlane.clock.now() - 1) });
    await refused({ chain, key: other.key }, 'certificate.key_mismatch', 'body.key');
    await refused({ chain: parts[0], key }, 'certificate.chain_incomplete', 'body.chain');
    await refused({ chain: other.chain, key: other.key }, 'certificate.expired', 'body.chain');
    await refused({ chain: 'text', key }, 'certificate.chain_malformed', 'body.chain');
    const bundle = { pkcs12: pkcs12('modern') };
    await refused(
      { ...bundle, password: 'canary-2c9f' },
      'certificate.keystore_password_wrong',
      'body.password',
    );
    const password = 'correct horse';
    await refused(
      { pkcs12: pkcs12('legacy'), password },
      'certificate.keystore_legacy',
      'body.pkcs12',
    );
    await refused(
      { pkcs12: pkcs12('bomb'), password },
      'certificate.keystore_too_costly',
      'body.pkcs12',
    );
    expect(controlPlane.logged()).not.toContain('canary-2c9f');
  });

  test.each([
    ['neither form', {}],
    ['half of a form', { chain: 'x' }],
    ['both forms', { chain: 'x', key: 'x', pkcs12: 'eA==', password: 'x' }],
    ['a chain over 64 KiB', { chain: 'x'.repeat(64 * 1024 + 1), key: 'x' }],
    ['a file over 64 KiB', { pkcs12: 'eHh4'.repeat(22_000), password: 'x' }],
    ['a file that is no base64', { pkcs12: '!', password: 'x' }],
  ])('%s is refused as a request', async (_, body) => {
    expect(await owner.call('PUT', path, body)).toMatchObject({
      status: 400,
      body: { code: 'request.invalid' },
    });
  });
});
