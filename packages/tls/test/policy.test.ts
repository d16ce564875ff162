import { once } from 'node:events';
import { connect } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { HttpsLink } from '../src/https-link.ts';
import { defaultTlsPolicy, tlsOptions } from '../src/policy.ts';
import { makeAuthority } from './authority.ts';
import { startServer } from './server.ts';

describe('the default TLS policy', () => {
  test('allows forward secrecy with authenticated encryption only', () => {
    for (const suite of defaultTlsPolicy.cipherSuites) {
      expect(suite).toMatch(/^(TLS_|ECDHE-).*(GCM|CHACHA20)/);
    }
  });

  test.each(defaultTlsPolicy.cipherSuites)('negotiates %s', async (suite) => {
    const authority = await makeAuthority();
    const identity = await authority.issue({ keyType: suite.includes('RSA') ? 'RSA' : 'EC' });
    const maxVersion = suite.startsWith('TLS_') ? 'TLSv1.3' : 'TLSv1.2';
    const policy = { ...defaultTlsPolicy, maxVersion, cipherSuites: [suite] } as const;
    await using server = await startServer({ ...identity, ...tlsOptions(policy) });
    const negotiated: string[] = [];
    server.server.on('secureConnection', (socket) => negotiated.push(socket.getCipher().name));
    const link = new HttpsLink({ baseUrl: server.url, ca: authority.ca });
    await link.request('GET', '/');
    link.close();
    expect(negotiated).toEqual([suite]);
  });

  test.each([
    ['TLSv1.1', 'is refused'],
    ['TLSv1.2', 'TLSv1.2'],
    ['TLSv1.3', 'TLSv1.3'],
  ] as const)('[AX-05] [AT-17] a %s-only client of a server: %s', async (version, outcome) => {
    const authority = await makeAuthority();
    await using server = await startServer({ ...(await authority.issue()), ...tlsOptions() });
    const socket = connect({
      host: '127.0.0.1',
      port: server.port,
      ca: authority.ca,
      minVersion: version,
      maxVersion: version,
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    const connected = once(socket, 'secureConnect').then(
      () => socket.getProtocol(),
      () => 'is refused',
    );
    expect(await connected).toBe(outcome);
    socket.destroy();
  });

  test('passes over the groups that the runtime lacks', () => {
    const policy = { ...defaultTlsPolicy, groups: ['NO-SUCH-GROUP', 'X25519'] };
    expect(tlsOptions(policy).ecdhCurve).toBe('X25519');
  });

  test('offers the post-quantum hybrid first where the runtime has it', () => {
    expect(tlsOptions().ecdhCurve).toBe('X25519MLKEM768:X25519:P-256:P-384');
  });
});
