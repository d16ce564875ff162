import { readFileSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { TestProcess } from '@sallyport/testkit/process';
import { Issuer, type IssuedLeaf } from '@sallyport/tls/test/issuer';
import { readUntil } from '../../tools/demo/application.ts';
import { findCanaries } from '../fixtures/canaries.ts';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import { databaseContents, filesBelow, walPosition, writtenBy } from '../fixtures/places.ts';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/certificates.md'), 'utf8');
/** Every command that the page shows. */
const commands = [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) =>
  block.trimEnd().split('\n'),
);

let installation: Installation;
let replica: Replica;
let host: Host;
let agent: TestProcess;
let leaf: IssuedLeaf;
let walFrom: string;
beforeAll(async () => {
  installation = await Installation.create();
  walFrom = await walPosition(installation.databaseUrl);
  replica = await installation.startReplica('control-plane');
  const owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'demo' });
  host = await installation.enrolledHost(owner, replica, 'demo', 'host');
  const login = [
    'login',
    '--url',
    replica.url,
    '--ca-file',
    join(replica.environment['SALLYPORT_DATA_DIR'] ?? '', 'ca.pem'),
  ];
  await follow(['sallyport', ...login, '--name', 'owner', '--password-file', 'owner-password']);
  leaf = await (await (await Issuer.root()).intermediate()).leaf();
  await write('chain.pem', leaf.chain);
  await write('key.pem', leaf.key);
  await write('shop.p12', readFileSync(join(root, 'packages/tls/test/fixtures/modern.p12')));
  await write('password', 'correct horse\n');
  const file = join(installation.folder, 'web.pem');
  await write(
    'agent.yaml',
    `certificateFiles:\n  - certificate: web\n    file: ${file}\n    mode: '0640'\n`,
  );
  agent = await host.run({ SALLYPORT_AGENT_CONFIG: join(installation.folder, 'agent.yaml') });
}, 60_000);
afterAll(() => installation.end());

const write = (name: string, content: string | Buffer) =>
  writeFile(join(installation.folder, name), content, { mode: 0o600 });

/** Runs a command in the installation's folder; it must succeed. */
async function follow([program = '', ...args]: string[]): Promise<string> {
  const { code, stdout, stderr } = await (program === 'sallyport'
    ? installation.cli(args)
    : host.agent(args));
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} exited ${code}: ${stderr}`);
  return stdout;
}

test('[A7-11] [A7-13] the commands of docs/certificates.md do what the page says, and what they print holds no key that was not asked for', async () => {
  const outputs = new Map<string, string>();
  for (const line of commands) {
    const words = line.replace(/^bin\//, '').split(' ');
    if (words[0] === 'curl' || words[0] === 'sallyport-agent')
      await readUntil(host.socket, '/v1/certificates/web', ({ status }) => status === 200, 30_000);
    const output =
      words[0] === 'curl'
        ? (await host.read(new URL(words.at(-1) ?? '').pathname)).body
        : await follow(words);
    outputs.set(words.slice(0, 3).join(' '), output);
  }
  expect(outputs.get('sallyport certificate set')).toContain(
    'shop is at version 1, for fixture.test',
  );
  expect(outputs.get('sallyport certificate list')).toMatch(/^web +1 +\S+ +deny +localhost$/m);
  expect(outputs.get('sallyport certificate show')).toMatch(/^Issuer +CN=Test intermediate$/m);
  const body: unknown = JSON.parse(
    outputs.get('curl --unix-socket /var/lib/sallyport-agent/agent.sock') ?? '',
  );
  expect(body).toMatchObject({ version: 1, chain: leaf.chain, key: leaf.key });
  expect(`${outputs.get('sallyport-agent get --certificate')}\n`).toBe(leaf.key + leaf.chain);
});

test('the file that its agent keeps is what a server needs, 0640, and changes with the certificate', async () => {
  const file = join(installation.folder, 'web.pem');
  await agent.waitForLine(/"certificate file written"/);
  const pem = await readFile(file, 'utf8');
  expect(pem).toBe(leaf.key + leaf.chain);
  createSecureContext({ cert: pem, key: pem });
  expect((await stat(file)).mode & 0o777).toBe(0o640);
  const alone = await (await (await Issuer.root()).intermediate()).leaf();
  await write('chain.pem', alone.chain);
  await write('key.pem', alone.key);
  await follow(
    'sallyport certificate set web --group demo --chain chain.pem --key key.pem'.split(' '),
  );
  await host.untilHealth(({ files: [first] }) => first?.version === 2);
  expect(await readFile(file, 'utf8')).toBe(alone.key + alone.chain);
});

test('[A7-12] keys and chains are in no file, log, argument or row but where they are meant to be', async () => {
  const bytes = (pem: string) =>
    Buffer.from(pem.replace(/-----[^-]+-----/g, '').replaceAll('\n', ''), 'base64');
  const canaries = [
    { name: 'key', bytes: bytes(leaf.key).subarray(40, 64) },
    { name: 'certificate', bytes: bytes(leaf.parts[0] ?? '').subarray(-40, -12) },
  ];
  const meant = new Set(['file chain.pem', 'file key.pem', 'file web.pem']);
  const places = [
    ...(await databaseContents(installation.databaseUrl, walFrom)),
    ...(await filesBelow(installation.folder)).filter(({ name }) => !meant.has(name)),
    ...writtenBy(installation.programs).filter(({ name }) => !/stdout of agent get/.test(name)),
  ];
  // In PEM the base64 is broken into lines, in JSON those are escaped.
  const joined = places.map(({ name, bytes: found }) => ({
    name,
    bytes: Buffer.from(found.toString('latin1').replaceAll(/\\+n|\n/g, ''), 'latin1'),
  }));
  expect(findCanaries(canaries, [...places, ...joined])).toEqual([]);
  const planted = {
    name: 'planted',
    bytes: Buffer.from((leaf.key + leaf.parts[0]).replaceAll('\n', '')),
  };
  expect(findCanaries(canaries, [planted])).toHaveLength(2);
}, 60_000);
