import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { certificateFingerprint } from '../src/fingerprint.ts';
import { probeLink, probeOffers, showCertificate } from '../src/link-probe.ts';
import { defaultTlsPolicy, type TlsPolicy } from '../src/policy.ts';
import { makeAuthority, type Authority } from './authority.ts';
import { ANYTHING, startOpenSslServer } from './openssl.ts';
import { startServer, startTcpServer } from './server.ts';

let authority: Authority;
beforeAll(async () => {
  authority = await makeAuthority();
});

const withSuites = (...cipherSuites: TlsPolicy['cipherSuites']): TlsPolicy => ({
  ...defaultTlsPolicy,
  cipherSuites,
});

describe('[BM-22] a probe of a link', () => {
  test('finds what OpenSSL’s server was told to speak, and sends it no request', async () => {
    const args = ['-tls1_3', '-groups', 'X25519', '-ciphersuites', 'TLS_AES_128_GCM_SHA256'];
    const identity = await authority.issue();
    await using server = await startOpenSslServer(identity, args);
    const probe = await probeLink({ baseUrl: server.url, ca: authority.ca });
    expect(probe).toMatchObject({
      negotiated: {
        protocol: 'TLSv1.3',
        cipher: 'TLS_AES_128_GCM_SHA256',
        group: 'X25519',
        isWeak: false,
      },
      failure: undefined,
    });
    const [own] = probe.chain.map((each) => certificateFingerprint(each));
    expect(own).toBe(certificateFingerprint(identity.cert));
    let requests = 0;
    await using counting = await startServer(await authority.issue(), () => (requests += 1));
    await probeLink({ baseUrl: counting.url, ca: authority.ca });
    await probeOffers({ baseUrl: counting.url });
    expect(requests).toBe(0);
  });

  test('[AX-10] tells a key exchange under RSA from one with a group, and flags it', async () => {
    const identity = await authority.issue({ keyType: 'RSA' });
    await using server = await startOpenSslServer(identity, ['-tls1_2', ...ANYTHING]);
    const rsa = withSuites('TLS_RSA_WITH_AES_128_GCM_SHA256');
    const probe = await probeLink({ baseUrl: server.url, ca: authority.ca, tls: rsa });
    expect(probe.negotiated).toMatchObject({ group: null, isWeak: true });
    const modern = await probeLink({ baseUrl: server.url, ca: authority.ca });
    expect(modern.negotiated).toMatchObject({ group: 'X25519', isWeak: false });
  });

  test('offers each version and suite alone', async () => {
    const args = [
      '-tls1_2',
      '-cipher',
      'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384',
    ];
    await using server = await startOpenSslServer(await authority.issue(), args);
    const offers = await probeOffers({ baseUrl: server.url });
    const taken = offers.filter(({ accepted }) => accepted === true).map(({ name }) => name);
    // The one for RSA is not for this certificate.
    expect(taken).toEqual(['TLS1.2', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384']);
    const refused = offers.filter(({ accepted }) => accepted === false);
    expect(refused).toHaveLength(offers.length - taken.length);
    expect(refused.map(({ name }) => name)).toContain('TLS1.3');
  });

  test('shows what an untrusted peer presents, and why it is not trusted', async () => {
    const other = await makeAuthority('CN=Other');
    await using server = await startServer(await other.issue({ addresses: ['127.0.0.2'] }));
    const stranger = await probeLink({ baseUrl: server.url, ca: authority.ca });
    expect(stranger.failure?.code).toBe('tls.unknown_ca');
    const misnamed = await probeLink({ baseUrl: server.url, ca: other.ca });
    expect(misnamed.failure?.code).toBe('tls.name_mismatch');
    for (const { chain } of [stranger, misnamed]) expect(chain[0]?.subject).toBe('CN=test server');
  });

  test('does not take a peer that never answers, or hangs up, for one that chose', async () => {
    await using silent = await startTcpServer(() => {});
    const baseUrl = `https://127.0.0.1:${silent.port}`;
    const probe = await probeLink({ baseUrl, timeoutMs: 50 });
    expect(probe).toMatchObject({
      negotiated: undefined,
      chain: [],
      failure: { code: 'link.timeout' },
    });
    const [offer] = await probeOffers({
      baseUrl,
      timeoutMs: 50,
      tls: withSuites('TLS_AES_128_GCM_SHA256'),
    });
    expect(offer).toMatchObject({ accepted: null, code: 'link.timeout' });
  });

  test.each([
    ['in the last sixth of a short life', 6, 0.9, true],
    ['before it', 6, 1.1, false],
    ['in the last two weeks of a long life', 365, 13.9, true],
    ['before them', 365, 14.1, false],
  ])(
    'a certificate %s (%i days of life, %d left) is said to be ending: %s',
    async (_, lifeDays, leftDays, isEnding) => {
      const dayMs = 86_400_000;
      const notBefore = new Date(Date.now() - 3_600_000);
      const notAfter = new Date(notBefore.getTime() + lifeDays * dayMs);
      const { cert } = await authority.issue({ notBefore, notAfter });
      const shown = showCertificate(
        new X509Certificate(cert),
        notAfter.getTime() - leftDays * dayMs,
      );
      expect(shown).toMatchObject({ isEnding, daysLeft: Math.floor(leftDays) });
    },
  );

  test('a certificate that has alternative names alone is shown too', async () => {
    const { cert } = await authority.issue({ subject: '' });
    expect(showCertificate(new X509Certificate(cert), Date.now())).toMatchObject({ subject: '' });
  });
});
