import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createClock, type TestClock } from '@sallyport/testkit/clock';
import { followChanges } from '../src/cli/follow-changes.ts';
import { LocalClient } from '../src/cli/local-client.ts';
import { readSecret } from '../src/cli/read-together.ts';
import { systemClock } from '../src/clock.ts';
import { agentConfig } from '../src/config.ts';
import { Freshness } from '../src/freshness.ts';
import { localApiSettings } from '../src/local-api-settings.ts';
import { STALE } from '../src/local-api/values.ts';
import { ageState } from './age-state.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { askSocket, enrollWith, startDaemon, until, type Enrolled } from './harness.ts';
import { LocalApiAlone } from './local-api-alone.ts';
import { runAgent } from './run-agent.ts';

const HOUR_MS = 3_600_000;
const { freshness } = agentConfig.parse({
  freshness: [
    { secrets: ['db/now'], maxStaleSeconds: 0 },
    { secrets: ['db/*'], maxStaleSeconds: 300 },
  ],
});
const stale = { status: 200, headers: { warning: STALE } };
const expired = { status: 503, code: 'secret.expired' };

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let clock: TestClock;
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  for (const name of ['db/password', 'db/now', 'other']) double.putSecret(name, `of ${name}`);
  double.putPlugin('db/limits', { perSecond: 5 });
  enrolled = await enrollWith(double);
  clock = createClock(Date.now());
});
afterEach(async () => {
  await double.stop();
  await enrolled.home.remove();
});

function pass(ms: number): void {
  clock.advance(ms);
  double.clockOffsetMs += ms;
}

async function read(name: string, headers = {}, socket = enrolled.socket) {
  const reply = await askSocket(socket, `/v1/secrets/${name}`, { headers });
  return { ...reply, code: reply.body === '' ? undefined : JSON.parse(reply.body).code };
}

const shopSocket = () => join(enrolled.home.path, 'shop.sock');

/** An agent that has everything and waits for more, by a clock that stands still. */
async function online(): Promise<LocalApiAlone> {
  const allow = { secrets: ['db/password', 'other'] };
  const alone = await LocalApiAlone.start(
    double,
    enrolled,
    {
      socket: enrolled.socket,
      localApi: localApiSettings.parse({ sockets: [{ path: shopSocket(), allow }] }),
    },
    {
      clock: { ...systemClock, now: clock.now, monotonic: clock.now },
      freshness: new Freshness(freshness),
    },
  );
  await until(() => double.waitingPulls === 1);
  return alone;
}

/** The same agent, once the control plane has gone. */
async function cutOff(): Promise<LocalApiAlone> {
  const alone = await online();
  await double.stop();
  await until(() => alone.agent.contact.state === 'unreachable');
  return alone;
}

describe('[SG-32] [SG-39] a secret with a maxStaleSeconds of its own', () => {
  test('is served without the control plane for so long, marked, and then not before that is back', async () => {
    await using alone = await online();
    const current = await read('db/password');
    expect(current.status).toBe(200);
    expect(current.headers.warning).toBeUndefined();
    await double.stop();
    await until(() => alone.agent.contact.state === 'unreachable');
    pass(299_999);
    // Opened for this reader, and shared with whoever asks in the next 10 ms.
    expect(await read('db/password')).toMatchObject({
      ...stale,
      headers: { ...stale.headers, age: '299' },
    });
    pass(1);
    const refused = await read('db/password');
    expect(refused).toMatchObject({ ...expired, headers: { 'retry-after': '1' } });
    expect(refused.body).not.toContain('of db/password');
    await double.start();
    await until(() => alone.agent.contact.state === 'connected');
    const back = await read('db/password');
    expect(back).toMatchObject({ status: 200, headers: { age: '0' } });
    expect(back.headers.warning).toBeUndefined();
  });

  test('is not confirmed by a 304 either, nor found by version or field, once that is over', async () => {
    await using _alone = await cutOff();
    const { etag = '' } = (await read('db/password')).headers;
    expect((await read('db/password', { 'if-none-match': etag })).status).toBe(304);
    pass(300_000);
    for (const tag of [etag, '*'])
      expect(await read('db/password', { 'if-none-match': tag })).toMatchObject(expired);
    for (const query of ['version=1', 'version=2', 'field=user'])
      expect(await read(`db/password?${query}`)).toMatchObject(expired);
  });

  test('is listed all the same, and no other is kept back with it', async () => {
    await using _alone = await cutOff();
    const { etag = '' } = (await read('other')).headers;
    pass(48 * HOUR_MS);
    expect(await read('db/password')).toMatchObject(expired);
    expect(await read('other')).toMatchObject(stale);
    expect((await read('other', { 'if-none-match': etag })).status).toBe(304);
    expect(await askSocket(enrolled.socket, '/v1/config/db/limits')).toMatchObject(stale);
    const { body } = await askSocket(enrolled.socket, '/v1/secrets');
    expect(JSON.parse(body).items).toContainEqual({ name: 'db/password', version: 1 });
  });

  test('of 0 is served while the control plane is there, and not once a pull fails', async () => {
    await using alone = await online();
    pass(75_000);
    expect(await read('db/now')).toMatchObject({ status: 200, headers: { age: '75' } });
    await double.stop();
    await until(() => alone.agent.contact.state === 'unreachable');
    expect(await read('db/now')).toMatchObject(expired);
    expect(await read('db/password')).toMatchObject(stale);
  });

  test('of 0 is not served when nothing fails, and nothing has been heard for 75 s', async () => {
    await using _alone = await online();
    pass(75_001);
    expect(await read('db/now')).toMatchObject(expired);
    expect(await read('db/password')).toMatchObject(stale);
  });
});

test('[F-01] an hour without the control plane takes nothing from programs, and it is told since when', async () => {
  await using alone = await cutOff();
  const health = async () => JSON.parse((await askSocket(enrolled.socket, '/healthz')).body);
  const { staleSince } = await health();
  pass(HOUR_MS);
  expect(await read('other')).toMatchObject({
    ...stale,
    body: expect.stringContaining('of other'),
    headers: { ...stale.headers, age: '3600' },
  });
  expect(await health()).toMatchObject({ status: 'stale', staleSince });
  await double.start();
  await until(() => alone.agent.contact.state === 'connected');
  expect(await health()).toMatchObject({ status: 'ready', staleSince: null });
});

describe('[SG-32] what is withheld', () => {
  test('fails get, exec and render with exit code 4 and its name, and leaves a file as it was', async () => {
    await using _alone = await cutOff();
    pass(300_000);
    const template = join(enrolled.home.path, 'shop.liquid');
    const output = join(enrolled.home.path, 'shop.ini');
    await writeFile(template, '{{ "db/password" | secret }}');
    await writeFile(output, 'as it was');
    const socket = ['--socket', enrolled.socket];
    const ran = join(enrolled.home.path, 'ran');
    const command = ['--', 'touch', ran];
    for (const args of [
      ['get', 'db/password', ...socket],
      ['exec', ...socket, '--env', 'P=secret:db/password', ...command],
      ['render', ...socket, '--template', template, '--output', output, ...command],
    ]) {
      const { code, stdout, stderr } = await runAgent(args);
      expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
      expect(stderr).toMatch(/has not confirmed the secret within .*sallyport-agent status$/m);
      if (args[0] !== 'get') expect(stderr).toContain('db/password: ');
    }
    expect(await readFile(output, 'utf8')).toBe('as it was');
    await expect(readFile(ran)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('is read by whoever follows its changes, once the control plane is back', async () => {
    await using alone = await online();
    const client = new LocalClient(enrolled.socket);
    const told: string[] = [];
    const values: string[] = [];
    const stopping = new AbortController();
    const following = followChanges(
      {
        client,
        since: double.group.revision,
        entries: () => [{ kind: 'secret', name: 'db/now' }],
        debounceMs: 0,
        splayMs: 0,
        tell: (sentence) => told.push(sentence),
        signal: stopping.signal,
      },
      async () => {
        if (told.length === 0) {
          await double.stop();
          await until(() => alone.agent.contact.state === 'unreachable');
        } else if (double.server === undefined) await double.start();
        values.push((await readSecret({ secret: 'db/now', field: undefined }, client)).value);
      },
    );
    double.putSecret('db/now', 'changed');
    await until(() => values.length > 0);
    stopping.abort();
    await following;
    expect(values).toEqual(['changed']);
    expect(told[0]).toMatch(/^a change could not be followed: db\/now: .* has not confirmed/);
  });

  test('is counted in the health, at each socket as far as it may be read there', async () => {
    await using _alone = await cutOff();
    const told = async (socket: string) => {
      const { body } = await askSocket(socket, '/healthz');
      const { withheld, conditions } = JSON.parse(body);
      return [withheld, conditions.map(({ code }: { code: string }) => code)];
    };
    const codes = ['stale', 'control_plane_unreachable'];
    expect(await told(enrolled.socket)).toEqual([1, ['stale', 'values_expired', codes[1]]]);
    expect(await told(shopSocket())).toEqual([0, codes]);
    expect(await read('db/now', {}, shopSocket())).toMatchObject({ status: 403 });
    pass(300_000);
    expect(await told(enrolled.socket)).toEqual([2, ['stale', 'values_expired', codes[1]]]);
    expect(await told(shopSocket())).toEqual([1, ['stale', 'values_expired', codes[1]]]);
    expect(await read('db/password', {}, shopSocket())).toMatchObject(expired);
  });
});

test('[SG-32] [SG-39] a secret that was too old on disk is withheld from the start, and what a reference leads to is not', async () => {
  double.putReference('db/referred', 'env://PASSWORD');
  const { references } = agentConfig.parse({ references: { env: { names: ['PASSWORD'] } } });
  const settings = { ...enrolled, freshness, references, env: { PASSWORD: 'of the host' } };
  {
    await using daemon = await startDaemon(settings);
    await daemon.untilHealth(({ durable }) => durable.revision === double.group.revision);
  }
  await double.stop();
  await ageState(enrolled, HOUR_MS);
  await using daemon = await startDaemon(settings);
  expect(await read('db/password')).toMatchObject(expired);
  expect(await read('other')).toMatchObject(stale);
  expect(await daemon.secret('db/referred')).toBe('of the host');
  await double.start();
  await daemon.untilSecret('db/password', 'of db/password');
  expect((await daemon.untilHealth(({ status }) => status === 'ready')).withheld).toBe(0);
});
