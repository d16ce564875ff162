import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startProcess } from '@sallyport/testkit/process';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { Issuer } from '@sallyport/tls/test/issuer';
import { readAgentConfig } from '../src/config.ts';
import { statuses } from '../src/local-api/problem-reply.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { unusedPort } from './dialling.ts';
import { enrollWith, startDaemon, type Enrolled, type TestDaemon } from './harness.ts';
import { agentCommand } from './run-agent.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/agent.md'), 'utf8');
/** By test/stories/agent-page.test.ts. */
const RUN_ELSEWHERE = 'Before you begin';
let double: ControlPlaneDouble;
let enrolled: Enrolled;
let home: TempDirectory;
let onThisHost: (text: string) => string;

beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 's3cret-word');
  double.putSecret('api/key', 'of another program');
  double.putSecret('db/login', '{"user":"shop"}');
  double.putPlugin('rate-limit', { perSecond: 5 });
  enrolled = await enrollWith(double);
  home = await createTempDirectory('page');
  const port = await unusedPort();
  onThisHost = (text) =>
    text
      .replaceAll('/run/sallyport', home.path)
      .replaceAll('group: root', `group: ${process.getgid?.()}`)
      .replaceAll('users: [root]', `users: [${process.getuid?.()}]`)
      .replaceAll('127.0.0.1:8200', `127.0.0.1:${port}`)
      .replaceAll('/etc/shop', home.path)
      .replaceAll('--group root', `--group ${process.getgid?.()}`)
      .replaceAll('--splay 30', '--splay 0.1')
      .replaceAll('dev.yaml', join(home.path, 'dev.yaml'))
      .replaceAll(/\bshop-(server|reload|tests)$/gm, 'echo $1')
      .replaceAll(/^sallyport-agent/gm, agentCommand.join(' '));
});
afterAll(async () => {
  await double.stop();
  await enrolled.home.remove();
  await home.remove();
});

const shown = page.split(/^## /m).flatMap((section) => {
  const [heading = ''] = section.split('\n');
  return [...section.matchAll(/^```(.*)\n([^]*?)^```$/gm)].map(([, language, text = '']) => ({
    heading,
    language,
    text,
  }));
});
const taken = new Set(shown.filter(({ heading }) => heading === RUN_ELSEWHERE));

/** The blocks of the page in this language, below a heading; a test takes as many as it names. */
function* blocks(heading: string, language: string): Generator<string> {
  for (const block of shown) {
    if (block.heading !== heading || block.language !== language) continue;
    taken.add(block);
    yield onThisHost(block.text);
  }
}

/** Says that it has started, and ends once what it was given, by a variable or a file, is another. */
const SERVER = `
look() {
  if [ -f "$FILE" ]; then value=$(cat "$FILE"); else value=$PGPASSWORD; fi
  if [ "$value" = another-word ]; then echo changed; exit 0; fi
}
trap look HUP
look
echo started
while :; do sleep 0.05; done`;

async function running(yaml = ''): Promise<TestDaemon> {
  const file = join(home.path, 'agent.yaml');
  await writeFile(file, yaml, { mode: 0o600 });
  const { config } = readAgentConfig({}, { SALLYPORT_AGENT_CONFIG: file });
  const daemon = await startDaemon({ ...enrolled, localApi: config.localApi });
  await daemon.untilHealth(({ status }) => status === 'ready');
  return daemon;
}

/** What each command prints, as text. */
async function texts(script: string | undefined): Promise<string[]> {
  const commands = (script ?? '').trim().split('\n');
  const env = { ...process.env, SALLYPORT_AGENT_SOCKET: enrolled.socket, S: enrolled.socket };
  return Promise.all(
    commands.map(
      async (command) => (await promisify(execFile)('sh', ['-euc', command], { env })).stdout,
    ),
  );
}

/** What each command prints, as JSON. */
async function outputs(script: string | undefined): Promise<unknown[]> {
  return (await texts(script)).map((text) => (text === '' ? undefined : JSON.parse(text)));
}

/** What docs/own-ca.md shows how to make, by the names that the page has. */
async function makeCertificates(): Promise<void> {
  const authority = await Issuer.root('CN=Corp');
  const server = await authority.leaf({
    names: [{ type: 'ip', value: '127.0.0.1' }],
    usages: ['serverAuth'],
  });
  const program = await authority.leaf({
    names: [{ type: 'url', value: 'spiffe://shop.example/web' }],
    usages: ['clientAuth'],
  });
  const files = {
    'agent-server.pem': server.key + server.chain + authority.rootPem,
    'programs-ca.pem': authority.rootPem,
    'agent-ca.pem': authority.rootPem,
    'program.pem': program.chain,
    'program.key': program.key,
  };
  for (const [name, content] of Object.entries(files))
    await writeFile(join(home.path, name), content, { mode: 0o600 });
}

describe('[SG-40] [SG-41] the page of the agent', () => {
  test('shows how values are read, and listed', async () => {
    await using _daemon = await running();
    const [commands] = blocks('Read a value', 'sh');
    expect(await outputs(commands)).toMatchObject([
      { name: 'db/password', version: 1, value: 's3cret-word' },
      { perSecond: 5 },
      { items: [{ name: 'db/password' }, { name: 'api/key' }, { name: 'db/login' }] },
    ]);
  });

  test('[SG-39] shows how old some secrets may be, by a configuration that is good', async () => {
    const [yaml = ''] = blocks('How old a secret may be', 'yaml');
    const file = join(home.path, 'freshness.yaml');
    await writeFile(file, yaml);
    const { freshness } = readAgentConfig({ config: file }, {}).config;
    expect(freshness).toMatchObject([{ maxStaleSeconds: 0 }, { secrets: ['db/*'] }]);
  });

  test('[SG-18] [SG-20] shows how a command gets values, and what follows a change', async () => {
    await using daemon = await running();
    const [give, follow = ''] = blocks('Give values to a command', 'sh');
    expect(await texts(give)).toEqual(['password: ***\n', 'shop', '***']);
    await writeFile(join(home.path, 'server'), SERVER);
    const [byRestart, bySignal] = follow.trim().split('\n');
    for (const command of [byRestart, bySignal]) {
      const server = command?.replace(/echo server$/, `sh ${join(home.path, 'server')}`) ?? '';
      const following = startProcess({
        command: ['sh', '-euc', server],
        env: { SALLYPORT_AGENT_SOCKET: enrolled.socket, FILE: join(home.path, 'password') },
      });
      try {
        await following.waitForLine(/^started$/);
        double.putSecret('db/password', 'another-word');
        expect(await following.exited).toEqual({ code: 0, signal: null });
        expect(following.stdout).toEqual(['started', 'changed']);
      } finally {
        await following.stop();
      }
      double.putSecret('db/password', 's3cret-word');
      await daemon.untilSecret('db/password', 's3cret-word');
    }
  });

  test('[SG-24] shows how a secret is taken for a while', async () => {
    double.lending.lend('db/root', { value: 'for-a-while', ttlSeconds: 600, maxUses: null });
    await using _daemon = await running();
    const [commands] = blocks('Take a secret for a while', 'sh');
    const [reply = '', value] = await texts(commands);
    expect(JSON.parse(reply)).toMatchObject({ secret: 'db/root', value: 'for-a-while' });
    expect(value).toBe('for-a-while');
  });

  test('[SG-18] shows a template, and the file that it becomes', async () => {
    await using _daemon = await running();
    const [template] = blocks('Write files from templates', 'liquid');
    const [commands] = blocks('Write files from templates', 'sh');
    await writeFile(join(home.path, 'shop.ini.liquid'), template ?? '');
    expect(await texts(commands)).toEqual(['reload\n']);
    expect(await readFile(join(home.path, 'shop.ini'), 'utf8')).toBe(
      '[database]\nuser = shop\npassword = s3cret-word\n\nper_second = 5\nall_limits = {"perSecond":5}\n',
    );
  });

  test('[SG-21] shows how a tree is searched, and what is told of it', async () => {
    await writeFile(join(home.path, 'shop.env'), 'DB_PASSWORD=correct-horse\n');
    const [command = ''] = blocks('Find what is hard-coded', 'sh');
    const found = texts(command);
    await expect(found).rejects.toMatchObject({
      code: 11,
      stdout: expect.stringMatching(/shop\.env:1:1[^]*secret:shop\/db-password/),
    });
    await rm(join(home.path, 'shop.env'));
    // What takes its place is nothing that is hard-coded.
    const [template = ''] = blocks('Write files from templates', 'liquid');
    const templates = join(home.path, 'templates');
    await mkdir(templates);
    await writeFile(join(templates, 'shop.ini.liquid'), template);
    await texts(command.replace(home.path, templates));
  });

  test('[SG-45] shows a file of values, and how a test reads from it', async () => {
    const heading = 'In tests and on a developer’s machine';
    const [values = '', certificates = ''] = blocks(heading, 'yaml');
    const [commands = ''] = blocks(heading, 'sh');
    await writeFile(join(home.path, 'dev.yaml'), values);
    const [read = '', tests] = await texts(commands);
    expect(JSON.parse(read)).toMatchObject({ version: 1, value: 'only-for-tests' });
    expect(tests).toBe('tests\n');
    const leaf = await (await (await Issuer.root()).intermediate()).leaf();
    const files = {
      'dev.yaml': values + certificates,
      'web.pem': leaf.chain,
      'web.key': leaf.key,
    };
    for (const [name, content] of Object.entries(files))
      await writeFile(join(home.path, name), content);
    const asked = commands
      .trim()
      .split('\n')[0]
      ?.replace('secrets/db/password', 'certificates/web');
    expect(JSON.parse((await texts(asked))[0] ?? '')).toMatchObject({ name: 'web', version: 1 });
  });

  test('shows a socket for one program, which may read what is listed and nothing else', async () => {
    const [yaml] = blocks('A socket for one program', 'yaml');
    await using _daemon = await running(yaml);
    const [commands] = blocks('A socket for one program', 'sh');
    expect(await outputs(commands)).toMatchObject([
      { value: 's3cret-word' },
      { status: 403, code: 'request.not_allowed' },
    ]);
  });

  test('[SG-38] shows a socket for the programs of one user', async () => {
    const [, yaml] = blocks('A socket for one program', 'yaml');
    await using _daemon = await running(yaml);
    const [commands = ''] = blocks('A socket for one program', 'sh');
    const [answered] = commands.split('\n');
    expect(await outputs(answered)).toMatchObject([{ value: 's3cret-word' }]);
  });

  test('[A7-21] shows loopback TCP by a token, and by certificates', async () => {
    const heading = 'Without a unix socket: loopback TCP';
    const [makeToken, ask, askByCertificate] = blocks(heading, 'sh');
    const [byToken, byCertificate] = blocks(heading, 'yaml');
    await outputs(makeToken);
    const byTokens = await running(byToken);
    expect(await outputs(ask)).toMatchObject([{ value: 's3cret-word' }]);
    await byTokens.stop();
    await makeCertificates();
    await using _tls = await running(byCertificate);
    expect(await outputs(askByCertificate)).toMatchObject([{ value: 's3cret-word' }]);
  });

  test('shows nothing that no test of it has run', () => {
    expect(taken.size).toBeGreaterThan(10);
    expect(shown.filter((block) => !taken.has(block))).toEqual([]);
  });

  test('lists every refusal with its status', () => {
    const rows = new Map(
      page
        .split('\n')
        .flatMap((line) =>
          [...line.matchAll(/`([a-z]+\.[a-z_]+)`/g)].map(([, code]) => [code, line.slice(2, 5)]),
        ),
    );
    for (const [code, status] of Object.entries(statuses))
      expect([code, rows.get(code)]).toEqual([code, String(status)]);
  });
});
