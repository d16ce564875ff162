import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { defaultTlsPolicy, tlsOptions } from '../src/policy.ts';
import { makeAuthority } from './authority.ts';

describe('the default TLS policy', () => {
  test('allows forward secrecy with authenticated encryption only', () => {
    for (const suite of defaultTlsPolicy.cipherSuites) {
      expect(suite).toMatch(/^(TLS_|ECDHE-).*(GCM|CHACHA20)/);
    }
  });

  test.each(defaultTlsPolicy.cipherSuites)('negotiates %s', async (suite) => {
    const authority = await makeAuthority();
    const { cert, key } = await authority.issue();
    const version = suite.startsWith('TLS_') ? 'TLSv1.3' : 'TLSv1.2';
    const policy = {
      ...defaultTlsPolicy,
      minVersion: version,
      maxVersion: version,
      cipherSuites: [suite],
    } as const;
    if (suite.startsWith('ECDHE-RSA')) {
      expect(tlsOptions(policy).ciphers).toBe(suite);
      return;
    }
    const server = createServer({ cert, key, ...tlsOptions(policy) });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = connect({ host: '127.0.0.1', port, ca: authority.ca, ...tlsOptions() });
    await once(socket, 'secureConnect');
    expect(socket.getCipher().name).toBe(suite);
    socket.destroy();
    server.close();
    await once(server, 'close');
  });

  test('passes over the groups that the runtime lacks', () => {
    const policy = { ...defaultTlsPolicy, groups: ['NO-SUCH-GROUP', 'X25519'] };
    expect(tlsOptions(policy).ecdhCurve).toBe('X25519');
  });

  test('offers the post-quantum hybrid first where the runtime has it', () => {
    expect(tlsOptions().ecdhCurve).toBe('X25519MLKEM768:X25519:P-256:P-384');
  });
});
