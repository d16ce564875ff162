import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Issuer } from '@sallyport/tls/test/issuer';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { NewHost } from './new-host.ts';
import { runAgent } from './run-agent.ts';

let double: ControlPlaneDouble;
let host: NewHost;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
});
afterAll(() => double.stop());
beforeEach(async () => {
  host = await NewHost.create(double);
});
afterEach(() => host.home.remove());

describe('the control plane that is enrolled with', () => {
  test('[AX-01] at an http:// URL is refused before a byte is sent', async () => {
    let bytes = 0;
    const server = createServer(
      (socket) => void socket.on('data', (chunk) => (bytes += chunk.length)),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const { code, stderr } = await runAgent([
      'enroll',
      ...[
        '--url',
        `http://127.0.0.1:${port}`,
        '--state-dir',
        host.stateDir,
        '--token-file',
        host.tokenFile,
      ],
      ...['--fingerprint', double.fingerprint],
    ]);
    await new Promise((resolve) => server.close(resolve));
    expect({ code, bytes }).toEqual({ code: 2, bytes: 0 });
    expect(stderr).toMatch(/^sallyport-agent: .*https/);
  });

  test('may be known by its CA’s file', async () => {
    const caFile = join(host.home.path, 'ca.pem');
    await writeFile(caFile, double.ca);
    expect((await host.enroll('--ca-file', caFile)).code).toBe(0);
  });

  test('is trusted by its CA once, however that is written: the first session names no other', async () => {
    const caFile = join(host.home.path, 'ca.pem');
    await writeFile(caFile, double.ca.replaceAll('\n', '\r\n'));
    expect((await host.enroll('--ca-file', caFile)).code).toBe(0);
    expect((await host.readIdentity()).trustAnchors).toEqual([double.ca]);
  });

  test('is trusted by a CA that was given and that it does not name, too', async () => {
    const caFile = join(host.home.path, 'ca.pem');
    const other = (await Issuer.root('CN=Corp')).rootPem;
    await writeFile(caFile, `${double.ca}\n${other}`);
    expect((await host.enroll('--ca-file', caFile)).code).toBe(0);
    const { trustAnchors } = await host.readIdentity();
    expect(trustAnchors.map((pem) => pem.trim())).toEqual([other.trim(), double.ca.trim()]);
  });

  test.each([
    [
      'a damaged certificate, too',
      (other: string) => `${double.ca}\n${other.replace('\nM', '\nA')}`,
    ],
    [
      'a certificate that is cut off, too',
      (other: string) => `${double.ca}\n${other.slice(0, -30)}`,
    ],
    [
      'a certificate without its beginning, too',
      (other: string) => `${double.ca}\n${other.slice(other.indexOf('\n') + 1)}`,
    ],
    [
      'a certificate whose first line is spoilt, too',
      (other: string) => `${double.ca}\n${other.slice(3)}`,
    ],
    ['no certificate', () => 'canary'],
  ])(
    'is not asked anything by a CA’s file with %s, and the token is good afterwards',
    async (_what, spoilt) => {
      const caFile = join(host.home.path, 'ca.pem');
      const other = (await Issuer.root('CN=Corp')).rootPem;
      await writeFile(caFile, spoilt(other));
      const { code, stderr } = await host.enroll('--ca-file', caFile);
      expect({ code, received: double.received }).toEqual({ code: 2, received: [] });
      expect(stderr).toMatch(/^sallyport-agent: the file of --ca-file [^\n]* — export [^\n]*\n$/);
      expect(stderr).not.toContain('canary');
      await writeFile(caFile, `${double.ca}\n${other}`);
      expect((await host.enroll('--ca-file', caFile)).code).toBe(0);
    },
  );

  test('is refused when it names for CAs what is no certificate, and nothing of it is kept', async () => {
    double.authority.namedAnchor = 'canary';
    const { code, stderr } = await host.enroll();
    double.authority.namedAnchor = undefined;
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^sallyport-agent: no usable reply came \(reply\.unexpected\)[^\n]*--force[^\n]*\n$/,
    );
    expect(stderr).not.toContain('canary');
    expect((await readdir(host.stateDir)).toSorted()).toEqual(['identity.pending.json', 'lock']);
    await writeFile(host.tokenFile, double.mintToken());
    expect((await host.enroll('--force')).code).toBe(0);
  });

  test('[AX-16] of another fingerprint is refused before the token is sent', async () => {
    const other = double.fingerprint.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    const { code, stderr } = await runAgent([
      'enroll',
      ...[
        '--url',
        double.url,
        '--state-dir',
        host.stateDir,
        '--token-file',
        host.tokenFile,
        '--fingerprint',
        other,
      ],
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^sallyport-agent: .*fingerprint/i);
    expect(double.received).toEqual([]);
  });

  test('is known by a fingerprint or a CA file, not by both, and with neither by a CA that the host trusts', async () => {
    const caFile = join(host.home.path, 'ca.pem');
    await writeFile(caFile, double.ca);
    const base = [
      'enroll',
      '--url',
      double.url,
      '--state-dir',
      host.stateDir,
      '--token-file',
      host.tokenFile,
    ];
    const neither = await runAgent(base);
    expect(neither.code).toBe(1);
    expect(neither.stderr).toMatch(
      /no trusted CA issued — give --fingerprint, .* or --ca-file [^\n]*\n$/,
    );
    expect(neither.stderr).not.toContain('--force');
    expect(
      (await runAgent([...base, '--ca-file', caFile, '--fingerprint', double.fingerprint])).code,
    ).toBe(2);
    expect(double.received).toEqual([]);
  });

  test.each([600_000, -600_000])(
    '[F-08] whose clock is %i ms off is followed, for its own refusal tells its time',
    async (offsetMs) => {
      double.clockOffsetMs = offsetMs;
      expect((await host.enroll()).code).toBe(0);
      expect(double.requestsTo('/agent/v1/enroll')).toHaveLength(2);
    },
  );

  test('that is not there is one line with the reason', async () => {
    await double.stop();
    const { code, stderr } = await host.enroll();
    await double.start();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^sallyport-agent: [^\n]*127\.0\.0\.1[^\n]*\n$/);
  });
});
