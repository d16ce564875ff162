import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { runAgent } from './run-agent.ts';

let home: TempDirectory;
beforeAll(async () => {
  home = await createTempDirectory('config');
});
afterAll(() => home.remove());

async function check(yaml: string, ...more: string[]) {
  const file = join(home.path, 'agent.yaml');
  await writeFile(file, yaml, { mode: 0o600 });
  return runAgent(['config', 'check', '--config', file, ...more]);
}

describe('[SG-37] [AX-23] config check', () => {
  test('is content with a configuration that the daemon would take', async () => {
    const { code, stdout } = await check('socketMode: "0660"\nlog: { level: debug }\n');
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^The configuration is good\. .*sallyport-agent doctor\n$/),
    });
    expect(JSON.parse((await check('', '--json')).stdout)).toEqual({ ok: true, problems: [] });
  });

  test('names every problem at once, with the key and the way out', async () => {
    const { code, stdout } = await check('socketMod: "0600"\nmaxStaleSeconds: 5\n', '--json');
    const { ok, problems } = JSON.parse(stdout);
    expect({ code, ok }).toEqual({ code: 2, ok: false });
    expect(problems).toEqual([
      expect.stringContaining('socketMod'),
      expect.stringContaining('maxStaleSeconds'),
    ]);
  });

  test('names the program beside each problem, as every other error does', async () => {
    const { code, stdout } = await check('socketMod: "0600"\nmaxStaleSeconds: 5\n');
    const lines = stdout.trimEnd().split('\n');
    expect({ code, lines }).toEqual({
      code: 2,
      lines: [
        expect.stringMatching(/^sallyport-agent: socketMod/),
        expect.stringMatching(/^sallyport-agent: maxStaleSeconds/),
      ],
    });
  });

  test.each([
    ['[0].maxStale (', '{ secrets: [db/*], maxStale: 5, cacheSeconds: 1 }'],
    ['[0] (', '{ secrets: [db/*] }'],
    ['[0] (', '{ secrets: [db/*], cacheSeconds: }'],
    ['[0].secrets', '{ cacheSeconds: 5 }'],
    ['[0].secrets', '{ secrets: [], cacheSeconds: 5 }'],
    ['[0].secrets[1]', '{ secrets: [db, d*], cacheSeconds: 5 }'],
    ['[0].maxStaleSeconds', '{ secrets: [db], maxStaleSeconds: -1 }'],
    ['[0].maxStaleSeconds', '{ secrets: [db], maxStaleSeconds: 31536001 }'],
    ['[0].cacheSeconds', '{ secrets: [db], cacheSeconds: 86401 }'],
    ['[0].staleSeconds', '{ secrets: [db], staleSeconds: 604801 }'],
    ['[0].staleSeconds', '{ secrets: [db], staleSeconds: 0.5 }'],
  ])('[SG-39] refuses, by one problem of freshness%s: %s', async (key, entry) => {
    const { code, stdout } = await check(`freshness: [${entry}]\n`, '--json');
    expect([code, JSON.parse(stdout).problems]).toEqual([
      2,
      [expect.stringContaining(`freshness${key}`)],
    ]);
  });

  test('[SG-39] warns of what never counts in freshness, and not where the narrower comes first', async () => {
    const entries = [
      '{ secrets: [db/*], cacheSeconds: 5 }',
      '{ secrets: [db/a], cacheSeconds: 1 }',
    ];
    const wrong = await check(`freshness: [${entries.join()}]\n`, '--json');
    expect([wrong.code, JSON.parse(wrong.stdout).problems]).toEqual([
      2,
      [expect.stringMatching(/^freshness\[1\]\.secrets\[0\] never counts/)],
    ]);
    expect((await check(`freshness: [${entries.toReversed().join()}]\n`)).code).toBe(0);
  });

  test('[SG-38] knows the users and groups of sockets, as the daemon does, and names those that are not there', async () => {
    const of = (socket: string) =>
      check(`localApi: { sockets: [{ path: /run/a.sock, ${socket} }] }`);
    expect((await of('owner: root, group: root, users: [root]')).code).toBe(0);
    for (const [key, what] of [
      ['group: nogroup-here', 'group nogroup-here in /etc/group'],
      ['owner: nobody-here', 'user nobody-here in /etc/passwd'],
      ['users: [nobody-here]', 'user nobody-here in /etc/passwd'],
    ] as const)
      expect(await of(key)).toMatchObject({
        code: 2,
        stdout: expect.stringContaining(`there is no ${what} — name one that is there`),
      });
  });

  test('[SG-39] takes how old some secrets may be, up to what all may be', async () => {
    const of = (maxStaleSeconds: number) =>
      check(`
maxStaleSeconds: 600
freshness:
  - { secrets: [db/*], maxStaleSeconds: ${maxStaleSeconds}, cacheSeconds: 0, staleSeconds: 604800 }
`);
    expect((await of(600)).code).toBe(0);
    const { code, stdout } = await of(601);
    expect(code).toBe(2);
    expect(stdout).toMatch(/freshness \(.*\): may give no secret more maxStaleSeconds/);
  });

  test('takes a proxy’s URL in plain text, unless a password is in it', async () => {
    const of = (url: string) => check(`proxy: { url: "${url}" }\n`);
    expect((await of('http://sallyport@proxy.example:3128')).code).toBe(0);
    const { code, stdout } = await of('http://sallyport:canary@proxy.example:3128');
    expect(code).toBe(2);
    expect(stdout).toContain('proxy.url');
    expect(stdout).toContain('a secret in plain text');
    expect(stdout).not.toContain('canary');
  });

  test('[AX-10] is not content with what the daemon would warn of', async () => {
    const tls = '{ tls: { minVersion: TLS1.0, allowLegacy: true } }';
    const blocks = ['controlPlane', 'listen', 'references'].map((block) => `${block}: ${tls}\n`);
    const { code, stdout } = await check(`${blocks.join('')}localApi: { tcp: ${tls} }\n`);
    expect(code).toBe(2);
    for (const block of ['controlPlane', 'listen', 'references', 'localApi.tcp'])
      expect(stdout).toContain(`${block}.tls.minVersion: TLS 1.0 and 1.1 are allowed`);
  });
});

test('[SG-41] config reference prints every key of the page, with its variable and default', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/configuration.md'), 'utf8');
  const [ofAgent = ''] = page.split('## sallyport-agent\n')[1]?.split('\n## ') ?? [];
  const keys = [...ofAgent.matchAll(/^\| `([^`]+)` \| (?:`([^`]+)`|file only)/gm)];
  const { code, stdout } = await runAgent(['config', 'reference', '--json']);
  expect(code).toBe(0);
  const printed: { key: string; variables: string[] }[] = JSON.parse(stdout);
  expect(printed.map(({ key, variables }) => [key, variables[0]])).toEqual(
    keys.map(([, key, variable]) => [key, variable]),
  );
  const { stdout: text } = await runAgent(['config', 'reference']);
  expect(text).toContain('socketMode\n  Who may use the socket');
  expect(text).toContain('SALLYPORT_AGENT_SOCKET_MODE; default "0600"');
});
