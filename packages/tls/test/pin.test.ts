import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { HttpsLink } from '../src/https-link.ts';
import { certificateFingerprint, fetchPinnedCa, normalizeFingerprint } from '../src/pin.ts';
import { defaultTlsPolicy } from '../src/policy.ts';
import { type Authority, makeAuthority, type ServerIdentity } from './authority.ts';
import { Issuer } from './issuer.ts';
import { linkErrorOf, startServer, startTcpServer } from './server.ts';

let authority: Authority;
let identity: ServerIdentity;

beforeAll(async () => {
  authority = await makeAuthority();
  identity = await authority.issue();
});

describe('a fingerprint', () => {
  const canonical = `SHA256:${Array.from({ length: 32 }, () => 'AB').join(':')}`;

  test.each([canonical, `sha256:${'ab'.repeat(32)}`, 'aB'.repeat(32), ` ${canonical}\n`])(
    'is understood as %j',
    (text) => expect(normalizeFingerprint(text)).toBe(canonical),
  );

  test.each([
    '',
    'SHA256:',
    'ab'.repeat(31),
    'ab'.repeat(33),
    `SHA1:${'ab'.repeat(32)}`,
    'zz'.repeat(32),
    `SHA256:${'ab:'.repeat(32)}`,
  ])('is refused as %j', (text) => {
    expect(() => normalizeFingerprint(text)).toThrow(
      expect.objectContaining({ code: 'tls.fingerprint_malformed', retryable: false }),
    );
  });
});

describe('trust by fingerprint', () => {
  test('gives the CA under which a link then works', async () => {
    await using server = await startServer(identity, (_request, response) => response.end('ok'));
    const ca = await fetchPinnedCa(server.url, certificateFingerprint(authority.ca));
    expect(new X509Certificate(ca).fingerprint256).toBe(
      new X509Certificate(authority.ca).fingerprint256,
    );
    const link = new HttpsLink({ baseUrl: server.url, ca });
    expect((await link.request('GET', '/')).status).toBe(200);
    link.close();
  });

  test('[AX-04] keeps to its policy on both of its connections', async () => {
    const pin = async ({ refusingAt }: { refusingAt: number }) => {
      await using server = await startServer(identity);
      let connections = 0;
      server.server.prependListener('connection', () => {
        connections += 1;
        const minVersion = connections === refusingAt ? 'TLSv1.3' : 'TLSv1.2';
        server.server.setSecureContext({ ...identity, minVersion });
      });
      const tls = { ...defaultTlsPolicy, maxVersion: 'TLS1.2' } as const;
      const fingerprint = certificateFingerprint(authority.ca);
      return await fetchPinnedCa(server.url, fingerprint, { tls });
    };
    expect(await pin({ refusingAt: 3 })).toContain('BEGIN CERTIFICATE');
    for (const refusingAt of [1, 2])
      expect(await linkErrorOf(pin({ refusingAt }))).toMatchObject({ code: 'tls.version' });
  });

  test('sends no request', async () => {
    let requests = 0;
    await using server = await startServer(identity, () => (requests += 1));
    await fetchPinnedCa(server.url, certificateFingerprint(authority.ca));
    expect(requests).toBe(0);
  });

  test('shows both fingerprints when they differ', async () => {
    await using server = await startServer(identity);
    const expected = certificateFingerprint((await makeAuthority()).ca);
    const failure = await linkErrorOf(fetchPinnedCa(server.url, expected));
    expect(failure).toMatchObject({ code: 'tls.fingerprint_mismatch', retryable: false });
    expect(failure.message).toContain(expected);
    expect(failure.message).toContain(certificateFingerprint(authority.ca));
    expect(failure.message).toContain('or, where the CA was replaced since, if sallyport ca list');
  });

  test('is not won by presenting the right CA beside a certificate of another', async () => {
    const impostor = await makeAuthority('CN=Test CA');
    const own = await impostor.issue();
    const [leaf = ''] = own.cert.split(/(?<=-----END CERTIFICATE-----)/);
    await using server = await startServer({ key: own.key, cert: `${leaf}\n${authority.ca}\n` });
    const failure = await linkErrorOf(
      fetchPinnedCa(server.url, certificateFingerprint(authority.ca)),
    );
    expect(['tls.unknown_ca', 'tls.fingerprint_mismatch']).toContain(failure.code);
  });

  test('looks for the CA among the first ten certificates, whose issuers a peer could go on naming', async () => {
    let issuer = await Issuer.root();
    for (let below = 0; below < 9; below++) issuer = await issuer.intermediate(`CN=CA ${below}`);
    const { chain, key } = await issuer.leaf();
    await using server = await startServer({ key, cert: chain + issuer.rootPem });
    const failure = await linkErrorOf(
      fetchPinnedCa(server.url, certificateFingerprint(issuer.rootPem)),
    );
    expect(failure.code).toBe('tls.fingerprint_mismatch');
  });

  test('refuses a certificate of that CA for another name', async () => {
    await using server = await startServer(await authority.issue({ addresses: ['127.0.0.2'] }));
    const failure = await linkErrorOf(
      fetchPinnedCa(server.url, certificateFingerprint(authority.ca)),
    );
    expect(failure.code).toBe('tls.name_mismatch');
  });

  test('refuses the fingerprint of a server certificate, which would break at its renewal', async () => {
    await using server = await startServer(identity);
    const failure = await linkErrorOf(
      fetchPinnedCa(server.url, certificateFingerprint(identity.cert)),
    );
    expect(failure.code).toBe('tls.unknown_ca');
    expect(failure.message).toContain('fingerprint of its CA');
  });

  test('refuses http://, and gives up on a peer that stays silent', async () => {
    const hungUp = Promise.withResolvers<void>();
    await using silent = await startTcpServer((socket) =>
      socket.resume().once('close', () => hungUp.resolve()),
    );
    const pin = certificateFingerprint(authority.ca);
    const plain = await linkErrorOf(fetchPinnedCa(`http://127.0.0.1:${silent.port}`, pin));
    expect(plain.code).toBe('link.plaintext');
    expect(silent.connections()).toBe(0);
    const slow = await linkErrorOf(
      fetchPinnedCa(`https://127.0.0.1:${silent.port}`, pin, { timeoutMs: 50 }),
    );
    expect(slow).toMatchObject({ code: 'link.timeout', retryable: true });
    await hungUp.promise;
  });
});
