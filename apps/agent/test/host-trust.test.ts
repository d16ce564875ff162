import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startProcess } from '@sallyport/testkit/process';
import { makeAuthority } from '@sallyport/tls/test/authority';
import { health } from '../src/local-api/health.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { askSocket, until } from './harness.ts';
import { NewHost } from './new-host.ts';
import { agentCommand, runAgentProcess } from './run-agent.ts';

let double: ControlPlaneDouble;
let host: NewHost;
let caFile: string;
let socket: string;
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('name', 'value');
  host = await NewHost.create(double);
  caFile = join(host.home.path, 'ca.pem');
  socket = join(host.home.path, 'agent.sock');
  await writeFile(caFile, double.ca);
});
afterEach(async () => {
  await double.stop();
  await host.home.remove();
});

const here = () => ['--state-dir', host.stateDir, '--socket', socket];

function enroll(env: Record<string, string>, ...flags: string[]) {
  const join_ = ['enroll', '--url', double.url, '--token-file', host.tokenFile, ...flags];
  return runAgentProcess([...join_, ...here()], env);
}

const verify = (env: Record<string, string>) =>
  runAgentProcess(['link', 'verify', '--json', ...here()], env);

/** Whether an agent that is started so reaches the control plane. */
async function serves(env: Record<string, string>): Promise<boolean> {
  const agent = startProcess({ command: [...agentCommand, 'run', ...here()], env });
  await agent.waitForLine(/"listening"/);
  const { state } = await until(async () => {
    const { body } = await askSocket(socket, '/healthz');
    const { controlPlane } = health.parse(JSON.parse(body));
    const isTold = controlPlane.state === 'connected' || controlPlane.lastError !== null;
    return isTold && controlPlane;
  });
  await agent.stop();
  return state === 'connected';
}

// What Node or OpenSSL is told to trust beside its own list stands for a CA of that list.
test.each(['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE'])(
  '[AT-35] [AT-36] a control plane from a CA that the host trusts (%s) needs no pin, to enrol and to run',
  async (variable) => {
    const trusting = { [variable]: caFile };
    const refused = await enroll({});
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('no trusted CA issued');
    expect(double.received).toEqual([]);

    expect(await enroll(trusting)).toMatchObject({ code: 0, stderr: '' });
    expect((await host.readIdentity()).trustAnchors).toEqual([]);
    expect(await serves(trusting)).toBe(true);
    const verified = await verify(trusting);
    expect(verified.code).toBe(0);
    expect(JSON.parse(verified.stdout).trust).toEqual({ from: 'system', fingerprints: [] });

    // A new certificate from the same CA, and none from another.
    expect((await verify({})).code).toBe(10);
    await double.stop();
    double.tls = await double.tlsAuthority.issue();
    await double.start();
    expect(await serves(trusting)).toBe(true);
    await double.stop();
    double.tls = await (await makeAuthority()).issue();
    await double.start();
    expect((await verify(trusting)).code).toBe(10);
  },
  120_000,
);

test('[AT-36] a private CA is named by its file, which alone counts from then on, and is read at each start', async () => {
  const other = await makeAuthority('CN=Next');
  const otherFile = join(host.home.path, 'other.pem');
  await writeFile(otherFile, other.ca);
  const distrusting = { SALLYPORT_AGENT_CONTROL_PLANE_TRUSTSTORE_FILE: otherFile };
  // An agent that was enrolled so would trust its control plane no more.
  const refused = await enroll(distrusting, '--ca-file', caFile);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('controlPlane.truststore.file');
  expect(double.received).toEqual([]);
  // Nor is the token sent to whom the flag does not name.
  const misled = await enroll(
    { SALLYPORT_AGENT_CONTROL_PLANE_TRUSTSTORE_FILE: caFile },
    ...['--ca-file', otherFile],
  );
  expect(misled.code).toBe(1);
  expect(misled.stderr).toContain('--ca-file');
  expect(double.received.map(({ path }) => path)).not.toContain('/agent/v1/enroll');

  const named = { SALLYPORT_AGENT_CONTROL_PLANE_TRUSTSTORE_FILE: caFile };
  expect((await enroll(named)).code).toBe(0);
  expect(await serves(named)).toBe(true);

  await double.stop();
  double.tls = await other.issue();
  await double.start();
  expect(await serves(named)).toBe(false);
  expect((await verify(named)).stderr).toContain('stop this agent and enroll --force');
  await writeFile(caFile, other.ca);
  expect(await serves(named)).toBe(true);
  // Without the file it is the CA of the enrolment that counts.
  expect((await verify({})).code).toBe(10);
}, 120_000);

test.each([
  ['missing', async () => rm(caFile), 'cannot be read'],
  ['empty', async () => writeFile(caFile, ''), 'truststore'],
  [
    'damaged in part',
    async () => writeFile(caFile, `${double.ca}\n${double.ca.replace('\nM', '\nA')}`),
    'is damaged',
  ],
  [
    'no CA',
    async () => writeFile(caFile, double.identity.cert.split('\n\n')[0] ?? ''),
    'neither that of a CA',
  ],
])('[AT-36] a file of CAs that is %s is refused before anything is sent', async (...given) => {
  const [, spoil, why] = given;
  await spoil();
  const { code, stderr } = await enroll({ SALLYPORT_AGENT_CONTROL_PLANE_TRUSTSTORE_FILE: caFile });
  expect(code).toBe(2);
  expect(stderr).toMatch(/^sallyport-agent: controlPlane\.truststore\.file: [^\n]*\n$/);
  expect(stderr).toContain(why);
  expect(double.received).toEqual([]);
});
