import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createdEnrollmentToken } from '@sallyport/contract';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';
import { shownCommand } from '../fixtures/shown-command.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/own-ca.md'), 'utf8');
const ofLink = 'SALLYPORT_AGENT_CONTROL_PLANE';
const IDENTITY = 'uri:spiffe://corp/db-7';
/** What the page has in the agent's file. */
const [, shownSettings = ''] = [...page.matchAll(/```yaml\n([^`]*)```/g)].map(([, yaml]) => yaml);
const [, shownName = ''] = /^  name: (\S+)$/m.exec(page) ?? [];

let installation: Installation;
let replica: Replica;
let owner: Operator;
let host: Host;
let environment: Record<string, string>;
let agentId = '';
const at = (name: string) => join(installation.folder, name);
beforeAll(async () => {
  installation = await Installation.create();
  const commands = [...page.matchAll(/```sh\n([^`]*)```/g)].map(([, text = '']) => text);
  const making = commands.filter((text) => text.includes('openssl')).join('');
  const [withoutJava, keytool] = making.split(/^keytool /m);
  expect(keytool).toContain('-storetype JKS');
  run(withoutJava ?? '');
  const password = (await readFile(at('store-password'), 'utf8')).trim();
  const root = new X509Certificate(await readFile(at('root.pem')));
  await writeFile(at('trusted.jks'), javaTruststore(root.raw, password));
  replica = await installation.restart({
    environment: {
      ...(await installation.replicaEnvironment('control-plane')),
      SALLYPORT_OPERATOR_API_KEYSTORE_FILE: at('server.pem'),
      SALLYPORT_AGENT_API_KEYSTORE_FILE: at('server.pem'),
      SALLYPORT_AGENT_API_TRUSTSTORE_FILE: at('root.pem'),
    },
  });
  owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'plant-7' });
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'first' });
  environment = {
    SALLYPORT_AGENT_AUTHENTICATION: 'certificate',
    [`${ofLink}_KEYSTORE_FILE`]: at('agent.p12'),
    [`${ofLink}_KEYSTORE_PASSWORD_FILE`]: at('store-password'),
    [`${ofLink}_TRUSTSTORE_FILE`]: at('trusted.jks'),
    [`${ofLink}_TRUSTSTORE_PASSWORD_FILE`]: at('store-password'),
    [`${ofLink}_NAME`]: shownName,
  };
  host = installation.host('host');
}, 90_000);
afterAll(() => installation.end());

function run(script: string): void {
  execFileSync('sh', ['-euc', script], { cwd: installation.folder, stdio: 'ignore' });
}

/** What keytool makes of one trusted certificate. */
function javaTruststore(certificate: Buffer, password: string): Buffer {
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const text = (value: string) =>
    Buffer.concat([number(value.length).subarray(2), Buffer.from(value)]);
  const entry = [number(2), text('corp'), Buffer.alloc(8), text('X.509')];
  const size = number(certificate.length);
  const body = Buffer.concat([
    number(0xfeedfeed),
    number(2),
    number(1),
    ...entry,
    size,
    certificate,
  ]);
  const key = Buffer.from(password, 'utf16le').swap16();
  const digest = createHash('sha1').update(key).update('Mighty Aphrodite').update(body).digest();
  return Buffer.concat([body, digest]);
}

/** Runs the command of the page that starts so. */
async function shown(start: string): Promise<string> {
  return installation.done(shownCommand(page, start, { 'AGENT-ID': agentId }));
}
async function enrolled(other: Host, env: Record<string, string>) {
  const made = await owner.do('POST', '/groups/plant-7/enrollment-tokens', {});
  const { token } = createdEnrollmentToken.parse(made.body);
  const args = ['enroll', '--json', '--url', replica.agentUrl, '--token-file', '-'];
  return other.agent(args, token, env);
}

test('[BM-17] [BM-18] [SG-09] [AT-36] [AX-22] an agent with a keystore in PKCS#12 and a truststore in JKS, set as the page shows, enrols, runs, and is known by its URI', async () => {
  await writeFile(
    at('agent.yaml'),
    shownSettings.replaceAll('/etc/sallyport', installation.folder),
  );
  const asShown = {
    SALLYPORT_AGENT_CONFIG: at('agent.yaml'),
    [`${ofLink}_KEYSTORE_PASSWORD_FILE`]: at('store-password'),
    [`${ofLink}_TRUSTSTORE_PASSWORD_FILE`]: at('store-password'),
  };
  const { code, stdout, stderr } = await enrolled(host, asShown);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  agentId = String(JSON.parse(stdout).agentId);
  await host.run(asShown);
  await host.untilSecret('s', 'first');
  await installation.logIn(replica, at('root.pem'));
  expect(await shown('agent show')).toContain(IDENTITY);
  expect(await shown('agent update')).toContain(IDENTITY);
  const { authentication } = await host.health();
  expect(authentication).toMatchObject({ method: 'certificate' });
  // It has no certificate but that one.
  await expect(readFile(join(host.stateDir, 'certificate.json'))).rejects.toThrow('ENOENT');
}, 90_000);

test('[SG-09] either side without its certificate fails, and a certificate is of one agent', async () => {
  const stranger = installation.host('stranger');
  const { [`${ofLink}_TRUSTSTORE_FILE`]: _trusted, ...untrusting } = environment;
  const refused = await enrolled(stranger, untrusting);
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no trusted CA issued'),
  });
  const otherName = { ...environment, [`${ofLink}_NAME`]: `${shownName}-2` };
  expect((await enrolled(stranger, otherName)).stderr).toContain(
    'does not have the name that is expected of it',
  );
  const verified = await host.agent(['link', 'verify', '--json'], '', otherName);
  expect(verified.code).toBe(10);
  expect(JSON.parse(verified.stdout)).toMatchObject({ failure: { code: 'tls.name_mismatch' } });
  const twice = await enrolled(stranger, environment);
  expect(twice.stderr).toContain('Another agent has this certificate identity');

  await owner.do('PATCH', '/groups/plant-7', { agentMethods: ['certificate'] });
  const { [`${ofLink}_KEYSTORE_FILE`]: _shown, ...anonymous } = environment;
  const byKey = { ...anonymous, SALLYPORT_AGENT_AUTHENTICATION: 'key' };
  expect((await enrolled(stranger, byKey)).code).toBe(0);
  await stranger.run(byKey);
  await stranger.untilHealth(
    ({ controlPlane }) => controlPlane.lastError?.code === 'client_certificate.required',
  );
}, 90_000);

test('[BM-21] the agent follows its file while it runs, and goes on with what it had while the file is no good', async () => {
  const before = (await host.health()).authentication.expiresAt;
  await writeFile(at('agent.p12.new'), 'no keystore');
  await rename(at('agent.p12.new'), at('agent.p12'));
  const { fileProblems } = await host.untilHealth((report) => report.fileProblems.length > 0);
  expect(fileProblems).toEqual([expect.stringMatching(/^controlPlane\.keystore\.file: /)]);
  expect((await host.agent(['status'], '', environment)).stdout).toContain(
    'files          controlPlane.keystore.file: ',
  );
  const doctor = await host.agent(['doctor'], '', environment);
  expect(doctor.stdout).toContain('controlPlane.keystore.file: ');
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'second' });
  await host.untilSecret('s', 'second');

  const [agent = ''] = [...page.matchAll(/```sh\n([^`]*CN=db-7[^`]*)keytool/g)].map(
    ([, text]) => text,
  );
  const [first = ''] = [...page.matchAll(/^new=.*$/gm)].map(([text]) => text);
  run(
    `${first.replace('-days 90', '-days 30')}\n${agent.replace(/^.*openssl rand.*$/m, '').replaceAll('agent.p12', 'next.p12')}`,
  );
  await rename(at('next.p12'), at('agent.p12'));
  const after = await host.untilHealth((report) => report.authentication.expiresAt !== before);
  expect(after.fileProblems).toEqual([]);
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'third' });
  await host.untilSecret('s', 'third');
  expect((await host.health()).controlPlane.state).toBe('connected');
  expect((await host.agent(['doctor'], '', environment)).stdout).toMatch(
    /client certificate.*from controlPlane\.keystore/,
  );
}, 120_000);
