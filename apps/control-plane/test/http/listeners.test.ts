import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { HttpsLink } from '@sallyport/tls/https-link';
import { fetchPinnedCa } from '@sallyport/tls/pin';
import { defaultTlsPolicy } from '@sallyport/tls/policy';
import { makeAuthority } from '@sallyport/tls/test/authority';
import { replaceCertificate } from '../../src/http/certificate-renewal.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';

let controlPlane: TestControlPlane;
let origins: string[];
beforeAll(async () => {
  controlPlane = await startControlPlane({ startMs: Date.now() });
  const { operatorApp, agentApp } = controlPlane;
  origins = await Promise.all(
    [operatorApp, agentApp].map((app) => app.listen({ host: '127.0.0.1', port: 0 })),
  );
});
afterAll(() => controlPlane.end());

test('[A7-14] plain HTTP is refused on both listeners', async () => {
  for (const origin of origins) {
    const socket = connectPlain(Number(new URL(origin).port), '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await once(socket, 'close');
    expect(answer).not.toContain('HTTP/');
  }
});

test('[A7-15] [AX-16] the self-made CA is pinned by its fingerprint; without it the certificate is refused', async () => {
  for (const baseUrl of origins) {
    const ca = await fetchPinnedCa(baseUrl, controlPlane.caFingerprint, { timeoutMs: 5_000 });
    const trusting = new HttpsLink({ baseUrl, ca });
    expect((await trusting.request('GET', '/nothing')).status).toBe(404);
    trusting.close();
    const doubting = new HttpsLink({ baseUrl });
    await expect(doubting.request('GET', '/nothing')).rejects.toMatchObject({
      code: 'tls.unknown_ca',
    });
    doubting.close();
    await expect(
      fetchPinnedCa(baseUrl, `SHA256:${'00'.repeat(32)}`, { timeoutMs: 5_000 }),
    ).rejects.toMatchObject({ code: 'tls.fingerprint_mismatch' });
  }
});

test('[AX-05] [AT-17] TLS 1.2 and 1.3 are accepted and 1.1 is not', async () => {
  const handshake = async (origin: string, version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3') => {
    const options = {
      minVersion: version,
      maxVersion: version,
      ciphers: 'DEFAULT@SECLEVEL=0',
      ca: controlPlane.caCertificate,
    };
    const socket = connect({ port: Number(new URL(origin).port), host: '127.0.0.1', ...options });
    try {
      await once(socket, 'secureConnect');
      return socket.getProtocol();
    } finally {
      socket.destroy();
    }
  };
  for (const origin of origins) {
    expect(await handshake(origin, 'TLSv1.2')).toBe('TLSv1.2');
    expect(await handshake(origin, 'TLSv1.3')).toBe('TLSv1.3');
    await expect(handshake(origin, 'TLSv1.1')).rejects.toMatchObject({
      code: expect.stringMatching(/ERR_SSL|ECONNRESET/),
    });
  }
});

test('[AX-08] a renewed certificate is shown to new connections, and weak cipher suites stay refused', async () => {
  const authority = await makeAuthority();
  const handshake = async (ciphers: string) => {
    const port = Number(new URL(origins[0] ?? '').port);
    const tls12 = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
    const socket = connect({ port, host: '127.0.0.1', ca: authority.ca, ciphers, ...tls12 });
    try {
      await once(socket, 'secureConnect');
      return socket.getCipher().name;
    } finally {
      socket.destroy();
    }
  };
  const listener = { app: controlPlane.operatorApp, tls: defaultTlsPolicy };
  replaceCertificate(listener, await authority.issue());
  const strong = 'ECDHE-ECDSA-AES128-GCM-SHA256';
  expect(await handshake(strong)).toBe(strong);
  await expect(handshake('ECDHE-ECDSA-AES128-SHA256')).rejects.toMatchObject({
    code: expect.stringMatching(/ALERT_HANDSHAKE_FAILURE$/),
  });
});
