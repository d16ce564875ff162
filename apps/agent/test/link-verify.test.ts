import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { certificateFingerprint } from '@sallyport/tls/fingerprint';
import { makeAuthority } from '@sallyport/tls/test/authority';
import { startHttpProxy, startSocks5Proxy } from '@sallyport/tls/test/proxies';
import type { LinkReport } from '../src/link/verify.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, startDaemon, type Enrolled } from './harness.ts';
import { runAgent } from './run-agent.ts';

const WEAK = 'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256';
const AES_128 = 'TLS_AES_128_GCM_SHA256';
const CP = 'SALLYPORT_AGENT_CONTROL_PLANE';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  enrolled = await enrollWith(double);
});
beforeEach(() => {
  double.clockOffsetMs = 0;
});
afterEach(() => restartWith({}));
afterAll(async () => {
  await double.stop();
  await enrolled.home.remove();
});

async function restartWith(tls: ControlPlaneDouble['tls']): Promise<void> {
  await double.stop();
  double.tls = tls;
  await double.start();
}

type Verified = { code: number; stderr: string; report: LinkReport & { warnings: string[] } };

async function verify(env: Record<string, string> = {}): Promise<Verified> {
  const args = ['link', 'verify', '--json', '--state-dir', enrolled.stateDir];
  const { code, stdout, stderr } = await runAgent(args, { env });
  return { code, stderr, report: JSON.parse(stdout) };
}

const text = (env: Record<string, string> = {}) =>
  runAgent(['link', 'verify', '--state-dir', enrolled.stateDir], { env });

const offered = ({ offers }: LinkReport, accepted: boolean) =>
  offers.filter((offer) => offer.accepted === accepted).map(({ name }) => name);

describe('[BM-22] link verify', () => {
  test('shows both fingerprints, what was negotiated, and the dates of the chain, also beside the daemon', async () => {
    await using daemon = await startDaemon(enrolled);
    await daemon.untilHealth(({ controlPlane }) => controlPlane.state === 'connected');
    const { code, stderr, report } = await verify();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [own, ca] = report.certificates;
    expect(own?.fingerprint).toBe(certificateFingerprint(double.identity.cert));
    expect(ca?.fingerprint).toBe(double.fingerprint);
    expect(Date.parse(own?.notBefore ?? '')).toBeLessThan(Date.now());
    expect(Date.parse(own?.notAfter ?? '')).toBeGreaterThan(Date.now());
    expect(report).toMatchObject({
      controlPlane: double.url,
      way: { proxy: null, address: null },
      trust: { from: 'enrolment', fingerprints: [double.fingerprint] },
      agent: { keyThumbprint: expect.stringMatching(/^[\w-]{43}$/), certificateFingerprint: null },
      negotiated: {
        protocol: 'TLSv1.3',
        cipher: 'TLS_AES_256_GCM_SHA384',
        group: 'X25519MLKEM768',
        isWeak: false,
      },
      failure: null,
    });
    const shown = (await text()).stdout;
    for (const each of [
      certificateFingerprint(double.identity.cert),
      double.fingerprint,
      report.agent.keyThumbprint,
    ])
      expect(shown).toContain(each);
    expect(shown).toMatch(/^group +X25519MLKEM768$/m);
    expect(shown).toMatch(/^way +directly$/m);
  });

  test('tells which versions and suites the control plane takes, and which would fail', async () => {
    await restartWith({ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' });
    const newest = await verify();
    expect(newest.code).toBe(0);
    const suites13 = expect.arrayContaining(['TLS1.3', 'TLS_AES_256_GCM_SHA384']);
    expect(offered(newest.report, true)).toEqual(suites13);
    expect(offered(newest.report, false)).toEqual(
      expect.arrayContaining(['TLS1.2', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384']),
    );
    await restartWith({ maxVersion: 'TLSv1.2' });
    const older = await verify();
    expect(offered(older.report, true)).toEqual(
      expect.arrayContaining(['TLS1.2', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384']),
    );
    expect(offered(older.report, false)).toEqual(suites13);
    // For another kind of certificate than the double has.
    expect(offered(older.report, false)).toContain('TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384');
    expect((await text()).stdout).toMatch(/^would fail +TLS1\.3 /m);
    // Also what this agent does not allow, which is what to look at before it is.
    const newestOnly = {
      [`${CP}_TLS_MIN_VERSION`]: 'TLS1.3',
      [`${CP}_TLS_CIPHER_SUITES`]: AES_128,
    };
    await restartWith({});
    expect(offered((await verify(newestOnly)).report, true)).toEqual(['TLS1.3', 'TLS1.2', AES_128]);
  });

  test('[AX-10] flags a weak suite that is used, and none that is not', async () => {
    await restartWith({ maxVersion: 'TLSv1.2', ciphers: 'ALL' });
    const { code, report } = await verify({ [`${CP}_TLS_CIPHER_SUITES`]: WEAK });
    expect(code).toBe(0);
    expect(report.negotiated).toMatchObject({ cipher: WEAK, isWeak: true });
    expect(report.warnings).toContainEqual(expect.stringContaining(`weak suite ${WEAK}`));
    expect((await verify()).report.warnings.join()).not.toContain('weak');
  });

  test('says which way it went: the proxy without its credentials, and the address', async () => {
    const { port } = new URL(double.url);
    const allowed = [`127.0.0.1:${port}`];
    await using http = await startHttpProxy({ allowed, credentials: 'u:canary' });
    const proxied = await verify({
      SALLYPORT_AGENT_PROXY_URL: `http://u:canary@127.0.0.1:${http.port}`,
    });
    expect(proxied.code).toBe(0);
    expect(proxied.report.way).toEqual({ proxy: `http://127.0.0.1:${http.port}`, address: null });
    expect(JSON.stringify(proxied)).not.toContain('canary');
    await using socks = await startSocks5Proxy({ allowed });
    const pinned = await verify({
      SALLYPORT_AGENT_PROXY_URL: `socks5h://127.0.0.1:${socks.port}`,
      [`${CP}_ADDRESS`]: '127.0.0.1',
    });
    expect(pinned.report.way).toEqual({
      proxy: `socks5h://127.0.0.1:${socks.port}`,
      address: '127.0.0.1',
    });
    const exempt = await verify({
      SALLYPORT_AGENT_PROXY_URL: 'http://127.0.0.1:1',
      SALLYPORT_AGENT_PROXY_NO_PROXY: '127.0.0.1',
    });
    expect(exempt).toMatchObject({ code: 0, report: { way: { proxy: null } } });
  });

  test('exits 10 with one sentence when the certificate is of another CA, and shows what was presented', async () => {
    const stranger = await makeAuthority('CN=Stranger');
    await restartWith(await stranger.issue());
    const { code, stderr, report } = await verify();
    expect(code).toBe(10);
    expect(JSON.parse(stderr)).toEqual({ error: report.failure });
    expect((await text()).stderr).toMatch(
      /^sallyport-agent: [^\n]* no trusted CA issued; [^\n]*enroll --force[^\n]*\n$/,
    );
    expect(report.failure?.code).toBe('tls.unknown_ca');
    expect(report.certificates.map(({ fingerprint }) => fingerprint)).toContain(
      certificateFingerprint(stranger.ca),
    );
    expect(report.trust.fingerprints).toEqual([double.fingerprint]);
  });

  test('[F-08] tells the dates and the clock when the certificate is not valid yet', async () => {
    const notBefore = new Date(Date.now() + 600_000);
    await restartWith(
      await double.tlsAuthority.issue({ notBefore, notAfter: new Date(Date.now() + 3_600_000) }),
    );
    const { code, stderr, report } = await verify();
    expect({ code, failure: report.failure?.code }).toEqual({ code: 10, failure: 'tls.expired' });
    const since = `${notBefore.toISOString().slice(0, 19)}.000Z`;
    expect(stderr).toContain(`valid from ${since} to `);
    expect(stderr).toMatch(/this host’s clock says \d{4}-\d\d-\d\dT/);
  });

  test('exits 10 when nothing listens, and when something else answers', async () => {
    await double.stop();
    expect(await verify()).toMatchObject({
      code: 10,
      report: { failure: { code: 'link.refused' }, offers: [], certificates: [] },
    });
    await double.start();
    double.failNext('/agent/v1', { status: 404, headers: {} });
    const { code, stderr } = await verify();
    expect(code).toBe(10);
    expect(stderr).toContain('is no control plane');
  });

  test.each([600_000, -600_000])('[F-08] measures a clock that is %i ms off', async (offsetMs) => {
    double.clockOffsetMs = -offsetMs;
    const { code, report } = await verify();
    expect(code).toBe(0);
    expect(Math.abs((report.clockOffsetMilliseconds ?? 0) - offsetMs)).toBeLessThan(2000);
    const told = new RegExp(`600 s ${offsetMs > 0 ? 'ahead of' : 'behind'}`);
    expect(report.warnings).toEqual([expect.stringMatching(told)]);
  });

  test('exits 7 where no agent is enrolled, and makes no directory', async () => {
    const nowhere = join(enrolled.home.path, 'nowhere');
    const { code, stderr } = await runAgent(['link', 'verify', '--state-dir', nowhere]);
    expect(code).toBe(7);
    expect(stderr).toContain('sallyport-agent enroll');
    await writeFile(nowhere, '', { flag: 'wx' });
  });
});
