import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { agentConfig } from '../../src/config.ts';
import { Guarded } from './guarded.ts';
import { subjects, type Subject } from './subjects.ts';

describe.each(subjects)('[AT-13] [AT-05] %s', (_, start) => {
  let subject: Subject;
  let guarded: Guarded;
  beforeEach(async () => {
    subject = await start();
    guarded = new Guarded(subject);
  });
  afterEach(async () => {
    await guarded[Symbol.asyncDispose]();
    await subject[Symbol.asyncDispose]();
  });

  const failure = (uri: string) =>
    guarded.read(uri).then(
      () => ({ code: 'none', message: '' }),
      (error: unknown) => error,
    );

  test('gives the value that is there now, byte for byte, and the next one after a change', async () => {
    const uri = subject.uriOf('db-password');
    await subject.put('db-password', ' "ünï" \\ \t first ');
    expect(await guarded.read(uri)).toBe(' "ünï" \\ \t first ');
    await subject.put('db-password', 'second');
    expect(await guarded.read(uri)).toBe('second');
  });

  test('[AT-14] is not asked for anything before the first read', async () => {
    await subject.put('db-password', 'canary');
    expect(subject.peer?.asked ?? []).toEqual([]);
    await guarded.read(subject.uriOf('db-password'));
    if (subject.peer !== undefined) expect(subject.peer.asked).not.toEqual([]);
  });

  test('gives a field of what is JSON, and tells one that is missing, where it has fields', async () => {
    const { uriOfField } = subject;
    if (uriOfField === undefined) return;
    await subject.put('db-password', '{"user":"shop","port":5432}');
    expect(await guarded.read(uriOfField('db-password', 'user'))).toBe('shop');
    expect(await guarded.read(uriOfField('db-password', 'port'))).toBe('5432');
    expect(await failure(uriOfField('db-password', 'none'))).toMatchObject({
      code: 'reference.not_found',
    });
  });

  test('tells what is not there', async () => {
    if (subject.scheme === 'exec') return;
    expect(await failure(subject.uriOf('gone'))).toMatchObject({ code: 'reference.not_found' });
    await subject.put('gone', 'there');
    expect(await guarded.read(subject.uriOf('gone'))).toBe('there');
    await subject.remove('gone');
    expect(await failure(subject.uriOf('gone'))).toMatchObject({ code: 'reference.not_found' });
  });

  test('tells what may not be read, with what to do', async () => {
    const uri = await subject.forbid();
    expect(await failure(uri)).toMatchObject({
      code: 'reference.denied',
      advice: expect.any(String),
      retryable: false,
    });
  });

  test('refuses what is empty, as no secret is', async () => {
    await subject.put('db-password', '');
    expect(await failure(subject.uriOf('db-password'))).toMatchObject({
      code: 'reference.failed',
      message: 'what the secret refers to is empty',
    });
  });

  test('refuses what is too large to be a secret', async () => {
    const uri = subject.uriOf('db-password');
    await subject.put('db-password', 'x'.repeat(65_536));
    expect((await guarded.read(uri)).length).toBe(65_536);
    await subject.put('db-password', 'canary'.repeat(11_000));
    const error = await failure(uri);
    expect(error).toMatchObject({ code: 'reference.failed' });
    expect(String(error)).not.toContain('canary');
  });
});

const overNetwork = subjects.slice(0, 4);
describe.each(overNetwork)('[AT-13] %s, over the network', (_, start) => {
  let subject: Subject;
  let guarded: Guarded;
  beforeEach(async () => {
    subject = await start();
    guarded = new Guarded(subject, { timeoutSeconds: 2 });
    await subject.put('db-password', 'canary');
  });
  afterEach(async () => {
    await guarded[Symbol.asyncDispose]();
    await subject[Symbol.asyncDispose]();
  });

  const read = () => guarded.read(subject.uriOf('db-password'));
  const errorOf = (promise: Promise<unknown>) =>
    promise.then(
      () => undefined,
      (error: unknown) => error,
    );

  test('is unreachable while it is down, and answers 5xx', async () => {
    subject.peer?.failAll({ status: 500 });
    expect(await errorOf(read())).toMatchObject({ code: 'reference.unreachable', retryable: true });
    subject.peer?.failAll(undefined);
    expect(await read()).toBe('canary');
    await subject.peer?.stop();
    expect(await errorOf(read())).toMatchObject({ code: 'reference.unreachable', retryable: true });
  });

  test('tells how long to wait when it is asked too often', async () => {
    await read();
    subject.peer?.failNext({
      status: 429,
      json: { __type: 'ThrottlingException' },
      headers: { 'retry-after': '7' },
    });
    expect(await errorOf(read())).toMatchObject({
      code: 'reference.rate_limited',
      retryAfterMs: 7_000,
    });
    expect(await read()).toBe('canary');
  });

  test('is given up when it does not answer in time', async () => {
    subject.peer?.failAll('hang');
    expect(await errorOf(read())).toMatchObject({
      code: 'reference.unreachable',
      message: expect.stringContaining('within 2 s'),
    });
  });

  test('[AX-01] is not asked by plain HTTP: such an address is refused, by its key alone', () => {
    const whole = JSON.stringify(subject.settings);
    const issuesFor = (settings: string) =>
      agentConfig.safeParse({ references: JSON.parse(settings) }).error?.issues ?? [];
    expect(issuesFor(whole)).toEqual([]);
    const issues = issuesFor(whole.replaceAll('https://', 'http://'));
    expect(issues).not.toEqual([]);
    for (const { path, message } of issues) {
      expect(path.join('.')).toMatch(/^references\..*(url|Url|endpoint|vaults\.shop)$/);
      expect(message).toBe('write it as https://host[:port][/prefix]');
    }
  });

  test('[AX-05] is not talked to where its certificate is from a CA that is not trusted', async () => {
    const [section = {}] = Object.values(subject.settings);
    const { truststore: _own, ...rest } = Object(section);
    const [key = ''] = Object.keys(subject.settings);
    const strange = new Guarded({
      env: subject.env,
      settings: { [key]: { ...rest, ...systemCas } },
    });
    const error = await errorOf(strange.read(subject.uriOf('db-password')));
    await strange[Symbol.asyncDispose]();
    expect(error).toMatchObject({
      code: 'reference.unreachable',
      message: expect.stringMatching(/certificate|CA/),
    });
    expect(subject.peer?.asked).toEqual([]);
  });

  test('[AX-04] [AX-07] is talked to within references.tls, or not at all', async () => {
    const under = (tls: object) =>
      new Guarded({ env: subject.env, settings: { ...subject.settings, tls } });
    {
      await using older = under({ maxVersion: 'TLS1.2' });
      expect(await older.read(subject.uriOf('db-password'))).toBe('canary');
    }
    const protocols = subject.peer?.asked.map(({ protocol }) => protocol);
    expect(new Set(protocols)).toEqual(new Set(['TLSv1.2']));
    // For another kind of certificate than the peer has.
    const suite = 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384';
    await using disjoint = under({ cipherSuites: [suite] });
    expect(await errorOf(disjoint.read(subject.uriOf('db-password')))).toMatchObject({
      code: 'reference.unreachable',
    });
    expect(subject.peer?.asked).toHaveLength(protocols?.length ?? 0);
  });

  test('an answer that is none of its API is told without being quoted', async () => {
    await read();
    subject.peer?.failNext({ status: 200, json: 'canary' });
    const error = await errorOf(read());
    expect(error).toMatchObject({ code: expect.stringMatching(/^reference\.(failed|not_found)$/) });
    expect(JSON.stringify([error, String(error)])).not.toContain('canary');
  });
});

/** As where no truststore is set. */
const systemCas = { truststore: {} };
