import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Issuer } from '@sallyport/tls/test/issuer';
import { readAgentConfig } from '../src/config.ts';
import { listens, ownHosts } from '../src/listen-settings.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { dialAuthority, Dialler, unusedPort } from './dialling.ts';
import { enrollWith, startDaemon, type Enrolled } from './harness.ts';
import { NewHost } from './new-host.ts';
import { runAgent } from './run-agent.ts';

let double: ControlPlaneDouble;
let host: NewHost;
let trusted: string[];
let port: number;
let env: Record<string, string>;
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  host = await NewHost.create(double);
  const ca = join(host.home.path, 'ca.pem');
  await writeFile(ca, dialAuthority.rootPem);
  trusted = ['--ca-file', ca];
  port = await unusedPort();
  env = {
    SALLYPORT_AGENT_STATE_DIR: host.stateDir,
    SALLYPORT_AGENT_LISTEN_ADDRESS: `127.0.0.1:${port}`,
  };
});
afterEach(async () => {
  await double.stop();
  await host.home.remove();
});

/** A copy of the file of CAs with one more, which is damaged. */
async function damagedCas(): Promise<string> {
  const file = join(host.home.path, 'damaged.pem');
  const { rootPem } = dialAuthority;
  await writeFile(file, `${rootPem}\n${rootPem.replace('\nM', '\nA')}`);
  return file;
}

const enroll = (more: string[], given = env) =>
  runAgent(['enroll', '--token-file', host.tokenFile, ...more], { env: given });

test('an enrolment that is told neither where the control plane is nor to wait for it, or not how, is refused', async () => {
  const { SALLYPORT_AGENT_STATE_DIR = '' } = env;
  const cases: [args: string[], given: Record<string, string>, told: string][] = [
    [trusted, env, 'give --url, or --listen'],
    [['--listen', ...trusted], { SALLYPORT_AGENT_STATE_DIR }, 'set listen.address'],
    [['--listen'], env, 'give either --fingerprint'],
    [['--listen', ...trusted, '--fingerprint', 'AB'], env, 'said twice how to know'],
    [['--listen', ...trusted, '--wait', '0'], env, '--wait is not a number of seconds'],
    [['--listen', ...trusted, '--wait', 'long'], env, '--wait is not a number of seconds'],
    [['--listen', '--fingerprint', 'AB'], env, 'A fingerprint is SHA256'],
    [
      ['--listen', '--ca-file', await damagedCas(), '--wait', '1'],
      env,
      'the file of --ca-file holds',
    ],
    [
      ['--listen', '--wait', '1'],
      { ...env, SALLYPORT_AGENT_LISTEN_TRUSTSTORE_FILE: await damagedCas() },
      'listen.truststore.file',
    ],
    [
      ['--listen', ...trusted],
      { ...env, SALLYPORT_AGENT_AUTHENTICATION: 'certificate' },
      'may not be certificate where listen.address is set',
    ],
  ];
  for (const [args, given, told] of cases) {
    const { code, stdout, stderr } = await enroll(args, given);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(told);
  }
});

test('settings that are none are named by their keys', () => {
  const wrong: [name: string, value: string, key: string][] = [
    ['ADDRESS', '9444', 'listen.address'],
    ['HOSTS', 'agent.example:9444', 'listen.hosts'],
    ['KEYSTORE_TYPE', 'jceks', 'listen.keystore.type'],
    ['TLS_MIN_VERSION', 'TLS1.0', 'listen.tls.minVersion'],
  ];
  for (const [name, value, key] of wrong)
    expect(() => readAgentConfig({}, { [`SALLYPORT_AGENT_LISTEN_${name}`]: value })).toThrow(key);
});

test('[BM-11] the certificate that it makes is for the hosts that are set, or where it listens, or this host', () => {
  const hostsOf = (more: Record<string, string>) => {
    const { listen } = readAgentConfig({}, { ...env, ...more }).config;
    if (!listens(listen)) throw new Error('it does not listen');
    return ownHosts(listen, 'Web-1');
  };
  expect(hostsOf({ SALLYPORT_AGENT_LISTEN_HOSTS: 'A.example,b.example,10.0.0.7,fd00::7' })).toEqual(
    ['a.example', 'b.example', '10.0.0.7', 'fd00::7'],
  );
  expect(hostsOf({})).toEqual(['127.0.0.1']);
  expect(hostsOf({ SALLYPORT_AGENT_LISTEN_ADDRESS: '[::]:9444' })).toEqual(['web-1']);
});

test('an address that something else listens on is told of by its key, and the agent ends', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  env['SALLYPORT_AGENT_LISTEN_ADDRESS'] = `127.0.0.1:${address.port}`;
  const { code, stderr } = await enroll(['--listen', ...trusted]);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\) — [^\n]*listen\.address/,
  );
  const enrolled: Enrolled = await enrollWith(double);
  const { listen } = readAgentConfig({}, env).config;
  await expect(startDaemon({ ...enrolled, listen })).rejects.toMatchObject({
    code: 'listen.unusable',
  });
  await enrolled.home.remove();
  server.close();
  await once(server, 'close');
});

test('a damaged certificate of its own is told of, and not replaced behind the link that pins it', async () => {
  const waited = ['--listen', ...trusted, '--wait', '1'];
  await enroll(waited);
  const file = join(host.stateDir, 'listen-identity.json');
  await writeFile(file, '{"format":1,"certificate":"canary","key":"canary"}', { mode: 0o600 });
  const { code, stderr } = await enroll(waited);
  expect(code).toBe(1);
  expect(stderr).toMatch(/listen-identity\.json is damaged [^\n]* pin the new certificate/);
  expect(stderr).not.toContain('canary');
});

test('a socket that cannot be claimed ends the agent, also while it listens', async () => {
  const enrolled: Enrolled = await enrollWith(double);
  const { listen } = readAgentConfig({}, env).config;
  const socket = join(enrolled.home.path, 'x'.repeat(200));
  await expect(startDaemon({ ...enrolled, socket, listen })).rejects.toMatchObject({
    code: 'socket.path_too_long',
  });
  // Nothing listens there any more, or this could not.
  const again = await startDaemon({ ...enrolled, listen });
  await again.stop();
  await enrolled.home.remove();
});

test.each([
  ['LISTEN', /^listen\.keystore\.file: .*listen\.truststore\.file: .*no connection without it/],
  ['CONTROL_PLANE', /^controlPlane\.truststore\.file: .*no connection without it/],
])(
  '[F-02] files (truststore of %s) that are not good at the start stop no agent: nobody can dial it until they are, and programs are served',
  async (block, told) => {
    double.putSecret('db/password', 'first');
    const enrolled: Enrolled = await enrollWith(double);
    await using _home = { [Symbol.asyncDispose]: () => enrolled.home.remove() };
    {
      await using dials = await startDaemon(enrolled);
      await dials.untilSecret('db/password', 'first');
    }
    const organisation = await Issuer.root('CN=Organisation');
    const names = [{ type: 'ip' as const, value: '127.0.0.1' }];
    const { chain, key } = await organisation.leaf({ names, usages: ['serverAuth'] });
    const keystore = join(enrolled.home.path, 'keystore.pem');
    const truststore = join(enrolled.home.path, 'truststore.pem');
    env['SALLYPORT_AGENT_LISTEN_KEYSTORE_FILE'] = keystore;
    env[`SALLYPORT_AGENT_${block}_TRUSTSTORE_FILE`] = truststore;
    const { listen, controlPlane: given } = readAgentConfig({}, env).config;
    await using agent = await startDaemon({ ...enrolled, listen, controlPlane: given });
    await using dialler = new Dialler(double, { port, ca: [organisation.rootPem] });
    const { fileProblems } = await agent.untilHealth(
      ({ controlPlane }) => controlPlane.lastError?.code === 'link.files_refused',
    );
    expect(fileProblems).toEqual([expect.stringMatching(told)]);
    expect(await agent.secret('db/password')).toBe('first');
    expect(new Set(dialler.errors)).toEqual(new Set(['link.refused']));
    await writeFile(keystore, key + chain + organisation.rootPem, { mode: 0o600 });
    await writeFile(truststore, dialAuthority.rootPem);
    double.putSecret('db/password', 'second');
    // It may look at them between the two, and then only five seconds later again.
    await agent.untilSecret('db/password', 'second', 15_000);
    expect(await agent.health()).toMatchObject({
      fileProblems: [],
      // Where it was enrolled with a URL, too: nobody is asked there any more.
      controlPlane: { url: null, peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/) },
    });
  },
  60_000,
);
