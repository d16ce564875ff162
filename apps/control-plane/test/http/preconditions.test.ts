import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { selfSigned } from '@sallyport/tls/test/issuer';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { OperatorClient, type Reply } from '../operator-client.ts';

const group = '/groups/plant-7';
const { chain, key } = await selfSigned();
const failed = { status: 412, body: { code: 'precondition.failed' } };

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
});
afterAll(() => controlPlane.end());

const etagOf = ({ headers }: Reply) => String(headers['etag']);
const ifMatch = (...tags: string[]) => ({ 'if-match': tags.join(', ') });
const onlyNew = { 'if-none-match': '*' };

describe.each([
  { name: 'a secret', path: `${group}/secrets/s`, first: { value: 'a' }, next: { value: 'b' } },
  {
    name: 'a plugin',
    path: `${group}/plugins/p`,
    first: { config: { a: 1 } },
    next: { config: { a: 2 } },
  },
  {
    name: 'a certificate',
    path: `${group}/certificates/c`,
    first: { chain, key },
    next: { chain, key, offline: 'deny' },
  },
])('$name', ({ path, first, next }) => {
  const put = (body: object, headers: Record<string, string> = {}) =>
    owner.call('PUT', path, body, headers);

  test('has a strong entity tag, which changes with it and tells it from one made anew', async () => {
    const tags = new Set<string>();
    const made = await put(first, onlyNew);
    expect(made.status).toBe(201);
    expect(etagOf(made)).toMatch(/^"[\w.-]+"$/);
    expect(etagOf(await owner.call('GET', path))).toBe(etagOf(made));
    tags.add(etagOf(made));
    tags.add(etagOf(await put(next, ifMatch(etagOf(made)))));
    await owner.call('DELETE', path);
    tags.add(etagOf(await put(first)));
    expect(tags.size).toBe(3);
  });

  test('is written only as it was read: a lost update is refused, and changes nothing', async () => {
    const read = await owner.call('GET', path);
    const tag = etagOf(read);
    const written = await put(next, ifMatch(tag));
    expect(written.status).toBe(200);
    expect(await put(first, ifMatch(tag))).toMatchObject(failed);
    expect(await put(first, ifMatch(`W/${etagOf(written)}`))).toMatchObject(failed);
    expect(etagOf(await owner.call('GET', path))).toBe(etagOf(written));
    expect((await put(first, ifMatch('"other"', etagOf(written)))).status).toBe(200);
    expect((await put(first, ifMatch('*'))).status).toBe(200);
  });

  test('of writers that have read the same one is let through', async () => {
    const tag = etagOf(await owner.call('GET', path));
    const replies = await Promise.all([1, 2, 3].map(() => put(next, ifMatch(tag))));
    expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 412, 412]);
  });

  test('is made only where there is none, and replaced only where there is one, when that is asked', async () => {
    expect(await put(first, onlyNew)).toMatchObject(failed);
    await owner.call('DELETE', path);
    expect(await put(first, ifMatch('*'))).toMatchObject(failed);
    expect((await put(first, onlyNew)).status).toBe(201);
  });

  test('is deleted only as it was read, when that is asked', async () => {
    const tag = etagOf(await owner.call('GET', path));
    const written = await put(next, ifMatch('*'));
    const remove = (headers: Record<string, string>) =>
      owner.call('DELETE', path, undefined, headers);
    expect(await remove(ifMatch(tag))).toMatchObject(failed);
    expect(await remove({ 'if-none-match': `"other", W/${etagOf(written)}` })).toMatchObject(
      failed,
    );
    expect((await remove(ifMatch(etagOf(written)))).status).toBe(204);
  });

  test.each(['plant', '"', '*, "a"', Array(17).fill('"a"').join(', ')])(
    'is not written under a condition that is none: %s',
    async (header) => {
      expect(await put(first, { 'if-match': header })).toMatchObject({
        status: 400,
        body: { code: 'request.invalid' },
      });
    },
  );
});

test('a plugin that exists is not replaced without a word about what is replaced', async () => {
  const path = `${group}/plugins/kept`;
  expect((await owner.call('PUT', path, { config: {} })).status).toBe(201);
  expect(await owner.call('PUT', path, { config: { a: 1 } })).toMatchObject({
    status: 428,
    body: { code: 'precondition.required' },
  });
});

test('a plugin is not replaced under a condition that says nothing of what is replaced', async () => {
  const path = `${group}/plugins/guarded`;
  expect((await owner.call('PUT', path, { config: {} }, onlyNew)).status).toBe(201);
  const other = { 'if-none-match': '"other"' };
  expect(await owner.call('PUT', path, { config: { a: 1 } }, other)).toMatchObject({
    status: 428,
    body: { code: 'precondition.required' },
  });
});

test.each([ifMatch('"1"'), onlyNew])(
  'a change that heeds no condition is refused under one, and not done: %j',
  async (condition) => {
    const refused = { status: 400, body: { code: 'request.invalid' } };
    expect(await owner.call('POST', '/groups', { name: 'guarded' }, condition)).toMatchObject(
      refused,
    );
    expect((await owner.call('GET', '/groups/guarded')).status).toBe(404);
  },
);

test('a read that names what it has is answered without it, and with it once it is another', async () => {
  await owner.call('PUT', `${group}/secrets/shown`, { value: 'a' });
  await owner.call('PUT', `${group}/plugins/shown`, { config: {} });
  await owner.call('PUT', `${group}/certificates/shown`, { chain, key });
  for (const thing of ['', '/secrets/shown', '/plugins/shown', '/certificates/shown']) {
    const path = group + thing;
    const read = (headers: Record<string, string>) => owner.call('GET', path, undefined, headers);
    const tag = etagOf(await read({}));
    for (const known of [tag, `"other", W/${tag}`, '*'])
      expect(await read({ 'if-none-match': known })).toMatchObject({
        status: 304,
        headers: { etag: tag, 'cache-control': 'no-store' },
        text: '',
      });
    for (const other of ['"other"', 'other', ''])
      expect(await read({ 'if-none-match': other })).toMatchObject({
        status: 200,
        headers: { 'content-type': 'application/json; charset=utf-8' },
      });
    expect((await read(ifMatch('"other"'))).status).toBe(200);
  }
  // What is not there, or may not be seen, is told as ever.
  const missing = await owner.call('GET', '/groups/none', undefined, onlyNew);
  expect(missing).toMatchObject({ status: 404, body: { code: 'group.not_found' } });
});

test('a group is changed and deleted only as it was read, when that is asked', async () => {
  const made = await owner.call('POST', '/groups', { name: 'plant-8' });
  const patch = (headers: Record<string, string>) =>
    owner.call('PATCH', '/groups/plant-8', { clones: 'refuse' }, headers);
  expect(await patch(ifMatch('"other"'))).toMatchObject(failed);
  expect(etagOf(await owner.call('GET', '/groups/plant-8'))).toBe(etagOf(made));
  const patched = await patch(ifMatch(etagOf(made)));
  expect(patched).toMatchObject({ status: 200, body: { clones: 'refuse' } });
  const remove = (headers: Record<string, string>) =>
    owner.call('DELETE', '/groups/plant-8', undefined, headers);
  expect(await remove(ifMatch(etagOf(made)))).toMatchObject(failed);
  expect((await remove(ifMatch(etagOf(patched)))).status).toBe(204);
});

test('a secret that exists takes a new version without one', async () => {
  const path = `${group}/secrets/kept`;
  expect((await owner.call('PUT', path, { value: 'a' })).status).toBe(201);
  expect((await owner.call('PUT', path, { value: 'b' })).status).toBe(200);
});

test('a group has an entity tag that changes with its revision', async () => {
  const before = etagOf(await owner.call('GET', group));
  expect(etagOf(await owner.call('GET', group))).toBe(before);
  await owner.call('PUT', `${group}/secrets/more`, { value: 'v' });
  const written = etagOf(await owner.call('GET', group));
  expect(written).not.toBe(before);
  // Which makes no revision.
  const patched = await owner.call('PATCH', group, { clones: 'refuse' });
  expect(etagOf(patched)).not.toBe(written);
  expect(etagOf(await owner.call('GET', group))).toBe(etagOf(patched));
});
