import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { makeAuthority, type Authority } from '@sallyport/tls/test/authority';
import { startHttpProxy } from '@sallyport/tls/test/proxies';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, type Enrolled } from './harness.ts';
import { runAgent } from './run-agent.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let proxyAuthority: Authority;
let caFile: string;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  enrolled = await enrollWith(double);
  proxyAuthority = await makeAuthority('CN=CA of the proxy');
  caFile = join(enrolled.home.path, 'proxy-ca.pem');
  await writeFile(caFile, proxyAuthority.ca);
});
beforeEach(() => void (double.handshakes.length = 0));
afterAll(async () => {
  await double.stop();
  await enrolled.home.remove();
});

type Subject = Parameters<Authority['issue']>[0];

/** Runs a command on a host whose way out is an HTTPS proxy with such a certificate. */
async function through(subject: Subject, ...command: string[]) {
  await using proxy = await startHttpProxy({}, await proxyAuthority.issue(subject));
  const env = {
    SALLYPORT_AGENT_STATE_DIR: enrolled.stateDir,
    SALLYPORT_AGENT_PROXY_URL: `https://127.0.0.1:${proxy.port}`,
    SALLYPORT_AGENT_PROXY_CA: caFile,
  };
  const { code, stdout } = await runAgent([...command, '--json'], { env });
  return { code, report: JSON.parse(stdout) };
}

const link = (outcome: string, connection: unknown = expect.anything()) =>
  expect.arrayContaining([
    expect.objectContaining({ check: 'connection', outcome, detail: connection }),
    expect.objectContaining({ check: 'tls', outcome: outcome === 'ok' ? 'ok' : 'skipped' }),
  ]);

test('a proxy whose certificate is good leads to the control plane', async () => {
  expect((await through({}, 'doctor')).report.findings).toEqual(link('ok'));
  expect(await through({}, 'link', 'verify')).toMatchObject({ code: 0, report: { failure: null } });
  expect(double.handshakes).not.toEqual([]);
});

const ended = { notAfter: new Date(Date.now() - 60_000) };

test.each<[what: string, subject: Subject, code: string, told: RegExp]>([
  ['is for another name', { addresses: [] }, 'proxy.name_mismatch', /^The proxy .* other names/],
  ['has expired', ended, 'proxy.expired', /^The proxy .* valid from .* clock says/],
])(
  'with a proxy whose certificate %s the control plane is not reached, nor offered anything',
  async (...[, subject, failure, told]) => {
    const found = await through(subject, 'doctor');
    expect(found.code).toBe(11);
    expect(found.report.findings).toEqual(link('failed', expect.stringMatching(told)));
    const verified = await through(subject, 'link', 'verify');
    expect(verified).toMatchObject({
      code: 10,
      report: { failure: { code: failure }, negotiated: null, certificates: [], offers: [] },
    });
    expect(double.handshakes).toEqual([]);
  },
);
