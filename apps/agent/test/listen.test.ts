import { createPrivateKey } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { certificateFingerprint } from '@sallyport/tls/fingerprint';
import { CONTROL_PLANE_NAME } from '@sallyport/tls/peer-certificate';
import { Issuer, type LeafOptions } from '@sallyport/tls/test/issuer';
import { readAgentConfig, type AgentConfig } from '../src/config.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { dialAuthority, Dialler, unusedPort } from './dialling.ts';
import { startDaemon, until, type TestDaemon } from './harness.ts';
import { NewHost } from './new-host.ts';
import { runAgent } from './run-agent.ts';

const FINGERPRINT = /SHA256:(?:[0-9A-F]{2}:){31}[0-9A-F]{2}/;

let double: ControlPlaneDouble;
let host: NewHost;
let port: number;
let env: Record<string, string>;
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'first');
  host = await NewHost.create(double);
  port = await unusedPort();
  env = {
    SALLYPORT_AGENT_LISTEN_ADDRESS: `127.0.0.1:${port}`,
    SALLYPORT_AGENT_STATE_DIR: host.stateDir,
  };
});
afterEach(async () => {
  await double.stop();
  await host.home.remove();
});

const trusted = ['--fingerprint', certificateFingerprint(dialAuthority.rootPem)];
const enroll = (...more: string[]) =>
  runAgent(['enroll', '--listen', '--json', '--token-file', host.tokenFile, ...more], { env });

/** What the agent shows of itself, which its own program prints. */
async function ownFingerprint(): Promise<string> {
  const bytes = await readFile(join(host.stateDir, 'listen-identity.json'), 'utf8');
  return certificateFingerprint(String(JSON.parse(bytes).certificate));
}

const dialled = (options: Partial<ConstructorParameters<typeof Dialler>[1]> = {}) =>
  new Dialler(double, { port, ...options });

/** Enrols over a connection that the double opens, and pins the agent as it prints it. */
async function enrolled(): Promise<string> {
  // Nobody knows the fingerprint before the agent has made its certificate.
  await runAgent(
    ['enroll', '--listen', '--wait', '1', '--token-file', host.tokenFile, ...trusted],
    {
      env,
    },
  );
  const fingerprint = await ownFingerprint();
  await using _dialler = dialled({ fingerprint });
  expect(await enroll(...trusted)).toMatchObject({ code: 0 });
  return fingerprint;
}

function run(more: Record<string, string> = {}): Promise<TestDaemon> {
  const { listen }: Pick<AgentConfig, 'listen'> = readAgentConfig({}, { ...env, ...more }).config;
  return startDaemon({ stateDir: host.stateDir, socket: join(host.home.path, 'sock'), listen });
}

/** Of an agent, by a CA that the control plane trusts. */
async function agentLeaf(
  usages: LeafOptions['usages'] = ['serverAuth'],
  issuer = dialAuthority,
): Promise<{ chain: string; key: string }> {
  const { chain, key } = await issuer.leaf({ names: [{ type: 'ip', value: '127.0.0.1' }], usages });
  return { chain: chain + issuer.rootPem, key };
}

async function keystore({ chain, key }: { chain: string; key: string }): Promise<string> {
  const file = join(host.home.path, 'keystore.pem');
  await writeFile(file, key + chain, { mode: 0o600 });
  return file;
}

test('[BM-01] [BM-03] [BM-13] an agent that listens enrols and pulls over connections that the control plane opens, each side pinning the other', async () => {
  const fingerprint = await enrolled();
  expect((await host.readIdentity()).controlPlane).toBe('https://control-plane.invalid');
  await using _dialler = dialled({ fingerprint });
  let connections = 0;
  double.server?.on('connection', () => (connections += 1));
  await using agent = await run();
  await agent.untilSecret('db/password', 'first');
  double.putSecret('db/password', 'second');
  await agent.untilSecret('db/password', 'second');
  await agent.untilHealth(({ controlPlane: at }) => /^127\.0\.0\.1:\d+$/.test(at.peer ?? ''));
  expect(agent.log.find(({ message }) => message === 'waiting to be dialled')).toMatchObject({
    address: `127.0.0.1:${port}`,
    fingerprint,
  });
  // Nothing came the other way: every request was made over what was dialled.
  expect(connections).toBe(0);
});

test('[AX-20] [AX-21] the private key of what it shows is in nothing that it sends', async () => {
  const fingerprint = await enrolled();
  await using _dialler = dialled({ fingerprint });
  await using agent = await run();
  await agent.untilSecret('db/password', 'first');
  const kept = await readFile(join(host.stateDir, 'listen-identity.json'), 'utf8');
  const pem = String(JSON.parse(kept).key);
  const secret = Buffer.from(createPrivateKey(pem).export({ format: 'jwk' }).d ?? '', 'base64url');
  const wire = JSON.stringify(double.received);
  expect(wire).toContain((await host.readIdentity()).signingKey.x);
  for (const form of ['hex', 'base64', 'base64url'] as const)
    expect(wire).not.toContain(secret.toString(form));
  for (const line of pem.trim().split('\n')) expect(wire).not.toContain(line);
});

test('[BM-03] enrolment says for what it waits, what to pin, and how long, and then that nobody came', async () => {
  const { code, stdout, stderr } = await enroll(...trusted, '--wait', '1');
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain(`Waiting up to 1 s at 127.0.0.1:${port}`);
  const shown = FINGERPRINT.exec(stderr)?.[0];
  expect(shown).toBe(await ownFingerprint());
  expect(stderr).toMatch(/has not connected to 127\.0\.0\.1:\d+ within 1 s/);
  // The next attempt shows the same certificate, which may be pinned by now.
  const again = await enroll(...trusted, '--wait', '1');
  expect(FINGERPRINT.exec(again.stderr)?.[0]).toBe(shown);
  const { mode } = await stat(join(host.stateDir, 'listen-identity.json'));
  expect(mode & 0o777).toBe(0o600);
});

test('[BM-13] [SG-09] enrolment goes to no other control plane than the one whose CA was named', async () => {
  const other = await Issuer.root('CN=Other');
  await runAgent(
    ['enroll', '--listen', '--wait', '1', '--token-file', host.tokenFile, ...trusted],
    {
      env,
    },
  );
  await using _dialler = dialled({ fingerprint: await ownFingerprint() });
  const wrong = ['--fingerprint', certificateFingerprint(other.rootPem)];
  const refused = await enroll(...wrong, '--wait', '1');
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toContain('from another CA than the one with the fingerprint');
  const file = join(host.home.path, 'other.pem');
  await writeFile(file, other.rootPem);
  expect(await enroll('--ca-file', file, '--wait', '1')).toMatchObject({ code: 1, stdout: '' });
  expect(double.received).toHaveLength(0);
  await writeFile(file, dialAuthority.rootPem);
  expect(await enroll('--ca-file', file)).toMatchObject({ code: 0 });
});

test('[BM-04] a certificate that is self-signed is warned of at every start, and one from a CA is not', async () => {
  await enrolled();
  const warned = ({ log }: TestDaemon) =>
    log.filter(({ level, message }) => level === 'warn' && message.includes('signed by itself'));
  {
    await using agent = await run();
    expect(warned(agent)).toHaveLength(1);
  }
  const file = await keystore(await agentLeaf());
  await using agent = await run({ SALLYPORT_AGENT_LISTEN_KEYSTORE_FILE: file });
  expect(warned(agent)).toHaveLength(0);
});

test('names that were set later are told of, as the certificate that is pinned does not change by itself', async () => {
  const fingerprint = await enrolled();
  await using agent = await run({ SALLYPORT_AGENT_LISTEN_HOSTS: '127.0.0.1,new.example' });
  expect(agent.log).toContainEqual(expect.objectContaining({ detail: 'new.example' }));
  expect(await ownFingerprint()).toBe(fingerprint);
});

describe('[BM-01] an agent that runs', () => {
  test('[AX-04] is found again after it was restarted, and finds a control plane that was, within listen.tls from its enrolment on', async () => {
    env['SALLYPORT_AGENT_LISTEN_TLS_MAX_VERSION'] = 'TLS1.2';
    const fingerprint = await enrolled();
    await using _dialler = dialled({ fingerprint });
    {
      await using agent = await run();
      await agent.untilSecret('db/password', 'first');
    }
    await using agent = await run();
    await agent.untilHealth(({ status }) => status === 'ready');
    await double.stop();
    await agent.untilHealth(({ controlPlane }) => controlPlane.state !== 'connected');
    await double.start();
    double.putSecret('db/password', 'after');
    await agent.untilSecret('db/password', 'after');
    expect(new Set(double.handshakes)).toEqual(new Set(['TLSv1.2']));
  });

  test('whose connections are cut while it pulls pulls over the next, and serves meanwhile', async () => {
    const fingerprint = await enrolled();
    await using dialler = dialled({ fingerprint });
    await using agent = await run();
    await agent.untilSecret('db/password', 'first');
    await agent.untilHealth(({ controlPlane }) => controlPlane.state === 'connected');
    const before = [...dialler.open];
    dialler.cut();
    double.putSecret('db/password', 'second');
    await agent.untilSecret('db/password', 'second');
    expect(before.every(({ destroyed }) => destroyed)).toBe(true);
  });

  test('[BM-08] [BM-14] [SG-09] refuses a wrong control plane, says why, and goes on with the right one', async () => {
    const fingerprint = await enrolled();
    const wrong = await dialAuthority.leaf({
      names: [
        { type: 'url', value: CONTROL_PLANE_NAME },
        { type: 'url', value: `spiffe://sallyport/group/g/agent/${crypto.randomUUID()}` },
      ],
      usages: ['clientAuth'],
    });
    await using agent = await run();
    double.received.length = 0;
    {
      await using _stranger = dialled({ fingerprint, leaf: wrong });
      await until(() => agent.log.some(({ code }) => code === 'tls.agent_certificate'));
    }
    expect(double.received).toHaveLength(0);
    // Each kind of refusal is told of once a minute, however often it comes.
    expect(agent.log.filter(({ code }) => code === 'tls.agent_certificate')).toHaveLength(1);
    await using _dialler = dialled({ fingerprint });
    await agent.untilSecret('db/password', 'first');
  });
});

describe('certificates from files', () => {
  test('[BM-06] every file that is not there is named by its key, all at once', async () => {
    const { code, stderr } = await runAgent(
      ['enroll', '--listen', '--token-file', host.tokenFile, ...trusted],
      {
        env: {
          ...env,
          SALLYPORT_AGENT_LISTEN_KEYSTORE_FILE: '/no/keystore.p12',
          SALLYPORT_AGENT_LISTEN_TRUSTSTORE_FILE: '/no/truststore.p12',
        },
      },
    );
    expect(code).toBe(2);
    expect(stderr).toContain('listen.keystore.file: The keystore cannot be read');
    expect(stderr).toContain('listen.truststore.file: The truststore cannot be read');
  });

  test('[BM-10] [BM-15] a keystore that no control plane would take, or whose password is wrong, is refused, and the password is not echoed', async () => {
    const leaf = await agentLeaf(['clientAuth']);
    const refusal = async (more: Record<string, string>) =>
      (
        await runAgent(['enroll', '--listen', '--token-file', host.tokenFile, ...trusted], {
          env: { ...env, ...more },
        })
      ).stderr;
    expect(await refusal({ SALLYPORT_AGENT_LISTEN_KEYSTORE_FILE: await keystore(leaf) })).toMatch(
      /listen\.keystore\.file: [^\n]*serverAuth/,
    );
    const passwords = join(
      import.meta.dirname,
      '../../../packages/tls/test/keystores/keystore.jks',
    );
    const said = await refusal({
      SALLYPORT_AGENT_LISTEN_KEYSTORE_FILE: passwords,
      SALLYPORT_AGENT_LISTEN_KEYSTORE_PASSWORD: 'canary-password',
    });
    expect(said).toMatch(/listen\.keystore\.password: /);
    expect(said).not.toContain('canary-password');
  });

  test('[BM-01] [BM-21] the organisation’s certificates serve both sides, and new files are taken while it runs', async () => {
    const organisation = await Issuer.root('CN=Organisation');
    const truststore = join(host.home.path, 'truststore.pem');
    await writeFile(truststore, dialAuthority.rootPem);
    const file = await keystore(await agentLeaf(undefined, organisation));
    Object.assign(env, {
      SALLYPORT_AGENT_LISTEN_KEYSTORE_FILE: file,
      SALLYPORT_AGENT_LISTEN_TRUSTSTORE_FILE: truststore,
    });
    {
      await using _dialler = dialled({ ca: [organisation.rootPem] });
      // The truststore says whom to trust: neither a fingerprint nor a file has to.
      expect(await enroll()).toMatchObject({ code: 0 });
    }
    await using agent = await run();
    {
      await using _dialler = dialled({ ca: [organisation.rootPem] });
      await agent.untilSecret('db/password', 'first');
    }
    const other = await Issuer.root('CN=Other');
    await keystore(await agentLeaf(undefined, other));
    await using dialler = dialled({ ca: [other.rootPem] });
    double.putSecret('db/password', 'second');
    await agent.untilSecret('db/password', 'second');
    expect(new Set(dialler.errors)).toEqual(new Set(['tls.unknown_ca']));
    await writeFile(file, 'no keystore');
    await until(() => agent.log.some(({ code }) => code === 'keystore.format_unknown'));
    const { fileProblems } = (await agent.health()) ?? {};
    expect(fileProblems).toEqual([expect.stringMatching(/^listen\.keystore\.file: /)]);
    double.putSecret('db/password', 'third');
    await agent.untilSecret('db/password', 'third');
  }, 60_000);
});
