import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { readAgentConfig, type AgentConfig } from '../src/config.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, startDaemon, type Enrolled } from './harness.ts';
import { NewHost } from './new-host.ts';
import { runAgent } from './run-agent.ts';

const WEAK = 'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('name', 'value');
  enrolled = await enrollWith(double);
});
afterAll(async () => {
  await double.stop();
  await enrolled.home.remove();
});
beforeEach(() => {
  double.handshakes.length = 0;
});

/** The control plane speaks no other version. */
async function speakOnly(version: 'TLSv1.2' | 'TLSv1.3'): Promise<void> {
  await restartWith({ minVersion: version, maxVersion: version });
}

const speakAny = () => restartWith({});

async function restartWith(tls: ControlPlaneDouble['tls']): Promise<void> {
  await double.stop();
  double.tls = tls;
  await double.start();
}

function variables(settings: Record<string, string>): Record<string, string> {
  const named = Object.entries(settings).map(([name, value]) => [
    `SALLYPORT_AGENT_CONTROL_PLANE_TLS_${name}`,
    value,
  ]);
  return Object.fromEntries(named);
}

function configOf(settings: Record<string, string>) {
  const { config, warnings } = readAgentConfig({}, variables(settings));
  const { controlPlane }: Pick<AgentConfig, 'controlPlane'> = config;
  return { daemon: { ...enrolled, controlPlane }, warnings };
}

const versionsSeen = () => [...new Set(double.handshakes)];

test('[AX-04] a maximum of TLS1.2 is kept by the running agent, which a control plane that speaks 1.3 alone cannot serve', async () => {
  const { daemon } = configOf({ MAX_VERSION: 'TLS1.2' });
  await speakAny();
  {
    await using agent = await startDaemon(daemon);
    await agent.untilSecret('name', 'value');
    expect(versionsSeen()).toEqual(['TLSv1.2']);
  }
  await speakOnly('TLSv1.3');
  await using agent = await startDaemon(daemon);
  const { controlPlane } = await agent.untilHealth((now) => now.controlPlane.lastError !== null);
  expect(controlPlane.lastError?.code).toBe('tls.version');
});

test('[AX-03] [AX-04] an enrolment keeps to its minimum and maximum on every connection, the one that pins the CA too', async () => {
  const enrolWith = async (settings: Record<string, string>) => {
    double.handshakes.length = 0;
    const host = await NewHost.create(double);
    const { code, stderr } = await host.enrollWith(variables(settings));
    await host.home.remove();
    return { code, stderr, seen: versionsSeen() };
  };
  const versions = expect.stringMatching(/shares no TLS version .* compare the versions/);
  const refused = { code: 1, stderr: versions, seen: [] };
  await speakOnly('TLSv1.2');
  expect(await enrolWith({ MIN_VERSION: 'TLS1.3' })).toEqual(refused);
  await speakOnly('TLSv1.3');
  expect(await enrolWith({ MAX_VERSION: 'TLS1.2' })).toEqual(refused);
  await speakAny();
  const accepted = { code: 0, stderr: '' };
  expect(await enrolWith({ MIN_VERSION: 'TLS1.3' })).toEqual({ ...accepted, seen: ['TLSv1.3'] });
  expect(await enrolWith({ MAX_VERSION: 'TLS1.2' })).toEqual({ ...accepted, seen: ['TLSv1.2'] });
});

test('[AX-10] a weak suite is warned of at the start, and told in the status once it is negotiated', async () => {
  await speakOnly('TLSv1.2');
  const status = () => runAgent(['status', '--socket', enrolled.socket]);
  const { daemon, warnings } = configOf({ CIPHER_SUITES: WEAK });
  expect(warnings).toEqual([
    expect.stringMatching(/^controlPlane\.tls\.cipherSuites: weak suites/),
  ]);
  {
    await using agent = await startDaemon(daemon);
    const { tlsWeak } = await agent.untilHealth((now) => now.tlsWeak !== null);
    expect(tlsWeak).toBe(true);
    expect((await status()).stdout).toMatch(/^tls +weak cipher suite/m);
  }
  await using agent = await startDaemon(enrolled);
  const { tlsWeak } = await agent.untilHealth((now) => now.tlsWeak !== null);
  expect(tlsWeak).toBe(false);
  expect((await status()).stdout).not.toMatch(/^tls/m);
});
