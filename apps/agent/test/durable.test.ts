import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Issuer, type IssuedLeaf, type LeafOptions } from '@sallyport/tls/test/issuer';
import { agentConfig, readAgentConfig, type AgentConfig } from '../src/config.ts';
import type { Health } from '../src/local-api/health.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, startDaemon, until, type Enrolled, type TestDaemon } from './harness.ts';
import { runAgent } from './run-agent.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let daemon: TestDaemon;

beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  double.putSecret('db/password', 'first');
  enrolled = await enrollWith(double);
  daemon = await startDaemon(enrolled);
  await untilAcknowledged();
});

afterEach(async () => {
  await daemon.stop();
  await double.stop();
  await enrolled.home.remove();
});

const path = (name: string) => join(enrolled.stateDir, name);
const untilAcknowledged = () => until(() => double.lastPull()?.revision === double.group.revision);

async function restartOffline(): Promise<void> {
  await daemon.stop();
  await double.stop();
  daemon = await startDaemon(enrolled);
}

describe('a revision that the disk did not take', () => {
  beforeEach(async () => {
    await mkdir(path('bundle.json.tmp'));
    double.putSecret('db/password', 'second');
    await untilAcknowledged();
  });

  test('[F-02] is kept at the latest when the agent stops, if the disk has recovered', async () => {
    await rm(path('bundle.json.tmp'), { recursive: true });
    await restartOffline();
    expect(await daemon.secret('db/password')).toBe('second');
    expect((await daemon.health()).durable).toMatchObject({
      revision: double.group.revision,
      error: null,
    });
  });

  test('[F-04] does not give way to the one before it when the agent starts again', async () => {
    await restartOffline();
    expect((await daemon.ask('/v1/secrets/db/password')).status).toBe(503);
    expect((await daemon.health()).durable.error).toBe('bundle.older');
  });
});

test('[F-02] doctor warns of a bundle that falls behind on a full disk, while the agent serves on, and of no other agent’s', async () => {
  const other = await enrollWith(double, 'web-2');
  const otherDaemon = await startDaemon(other);
  await otherDaemon.untilHealth(({ durable }) => durable.revision !== null);
  await otherDaemon.stop();
  for (const file of ['bundle.json', 'high-water.json']) await mkdir(path(`${file}.tmp`));
  double.putSecret('db/password', 'second');
  await untilAcknowledged();
  const examine = async (stateDir: string) => {
    const where = ['--state-dir', stateDir, '--socket', enrolled.socket];
    const { code, stdout } = await runAgent(['doctor', '--json', ...where]);
    const { findings } = JSON.parse(stdout);
    const isOfBundle = ({ check }: { check: string }) => check === 'durable bundle';
    return { code, found: findings.find(isOfBundle) };
  };
  const { code, found } = await examine(enrolled.stateDir);
  expect(found).toEqual({
    check: 'durable bundle',
    outcome: 'warning',
    detail: expect.stringMatching(
      /^revision 2 can be opened.*could not keep.*\(state\.unusable\)$/,
    ),
    advice: expect.stringContaining('room'),
  });
  expect(code).toBe(0);
  expect((await examine(other.stateDir)).found).toMatchObject({ outcome: 'ok' });
  await other.home.remove();
});

describe('[F-03] a bundle that is refused while the quarantine', () => {
  beforeEach(async () => {
    await daemon.stop();
    await writeFile(path('bundle.json'), '');
  });

  async function expectFetchedAgain(code: string): Promise<void> {
    await restartOffline();
    expect((await daemon.ask('/v1/secrets/db/password')).status).toBe(503);
    expect((await daemon.health()).durable.error).toBe('bundle.malformed');
    expect(daemon.log.filter(({ level }) => level === 'error').at(-1)).toMatchObject({ code });
    expect(await readdir(enrolled.stateDir)).not.toContain('bundle.json');
    await double.start();
    await daemon.untilSecret('db/password', 'first');
  }

  test('is a file is removed and fetched again', async () => {
    await writeFile(path('quarantine'), 'precious');
    await expectFetchedAgain('state.unusable');
    expect(await readFile(path('quarantine'), 'utf8')).toBe('precious');
  });

  test('is a symbolic link is removed and fetched again, and nothing is moved to where it leads', async () => {
    const elsewhere = join(enrolled.home.path, 'elsewhere');
    await mkdir(elsewhere);
    await symlink(elsewhere, path('quarantine'));
    await expectFetchedAgain('state.unsafe');
    expect(await readdir(elsewhere)).toEqual([]);
  });
});

test('[F-02] offline, what may be among the values in memory alone is not said to be missing', async () => {
  double.putSecret('memory-only', 'live', 'deny');
  await untilAcknowledged();
  await restartOffline();
  const answer = async (asked: string) => {
    const { status, body } = await daemon.ask(asked);
    return { status, code: JSON.parse(body).code };
  };
  for (const path of ['/v1/config/nowhere', '/v1/secrets/nowhere'])
    expect(await answer(path)).toEqual({ status: 503, code: 'agent.not_ready' });
});

describe('[F-02] a file of certificates that is not taken at the start', () => {
  const keystore = () => join(enrolled.home.path, 'agent.pem');
  const truststore = () => join(enrolled.home.path, 'ca.pem');

  /** Starts the agent anew, which is served by what is on its disk, and asks nothing of the control plane. */
  async function startWith(settings: Partial<AgentConfig>): Promise<Health> {
    await daemon.stop();
    double.received.length = double.handshakes.length = 0;
    daemon = await startDaemon({ ...enrolled, ...settings });
    const report = await daemon.untilHealth(({ controlPlane }) => controlPlane.lastError !== null);
    expect(await daemon.secret('db/password')).toBe('first');
    expect([double.received, double.handshakes]).toEqual([[], []]);
    return report;
  }
  const controlPlane = (files: Partial<AgentConfig['controlPlane']>) => ({
    controlPlane: { ...readAgentConfig({ ...enrolled }, {}).config.controlPlane, ...files },
  });

  test('is told with what to do, and a keystore is shown once it is good', async () => {
    const issuer = await Issuer.root();
    const put = async ({ key, chain }: IssuedLeaf) =>
      writeFile(keystore(), key + chain + issuer.rootPem);
    const usages: LeafOptions['usages'] = ['clientAuth'];
    await put(await issuer.leaf({ usages, notAfter: new Date(Date.now() - 1_000) }));
    const files = controlPlane({ keystore: { file: keystore(), type: 'auto' } });
    const expired = await startWith({ authentication: 'certificate', ...files });
    const told = /^controlPlane\.keystore\.file: .*expired.* There is no connection without it; /;
    expect(expired).toMatchObject({
      status: 'stale',
      fileProblems: [expect.stringMatching(told)],
      controlPlane: { state: 'unreachable', lastError: { code: 'link.files_refused' } },
    });
    expect(expired.conditions.map(({ code }) => code)).toContain('files_refused');
    const { stdout } = await runAgent(['status', '--socket', enrolled.socket]);
    expect(stdout).toMatch(/^files +controlPlane\.keystore\.file: .*looked at again/m);
    expect(stdout).toMatch(/^last error .* link\.files_refused: controlPlane\.keystore\.file: /m);
    expect(daemon.log).toContainEqual(
      expect.objectContaining({ level: 'error', code: 'certificate.expired' }),
    );
    await put(await issuer.leaf({ usages }));
    await daemon.untilHealth(({ controlPlane: { state } }) => state === 'refused');
    expect(double.received.map(({ path }) => path)).toContain('/agent/v1/session');
    expect((await daemon.health()).fileProblems).toEqual([]);
  }, 60_000);

  test('is told where it is not there, and nothing else is trusted until a truststore is', async () => {
    const files = controlPlane({ truststore: { file: truststore(), type: 'auto' } });
    const { fileProblems } = await startWith(files);
    expect(fileProblems).toEqual([expect.stringMatching(/^controlPlane\.truststore\.file: /)]);
    await writeFile(truststore(), double.ca);
    double.putSecret('db/password', 'second');
    await daemon.untilSecret('db/password', 'second');
  }, 60_000);

  test('is told where it is the CA of a proxy, and the link is there once that is good', async () => {
    const ca = join(enrolled.home.path, 'proxy-ca.pem');
    await writeFile(ca, 'no certificate');
    const url = 'https://127.0.0.1:1';
    const { proxy } = agentConfig.parse({ proxy: { url, ca, noProxy: ['*'] } });
    const { controlPlane, fileProblems } = await startWith({ proxy });
    const told = /^the file of proxy\.ca .*PEM.*\. There is no connection without it; /;
    expect(fileProblems).toEqual([expect.stringMatching(told)]);
    expect(controlPlane.lastError).toMatchObject({ code: 'link.files_refused' });
    expect(daemon.log).toContainEqual(
      expect.objectContaining({ level: 'error', code: 'link.files_refused' }),
    );
    await writeFile(ca, double.ca);
    double.putSecret('db/password', 'second');
    await daemon.untilSecret('db/password', 'second');
    expect((await daemon.health()).fileProblems).toEqual([]);
  }, 60_000);
});
