import { hash, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { HttpsLink } from '../src/https-link.ts';
import { probeLink } from '../src/link-probe.ts';
import { certificateFingerprint, fetchPinnedCa } from '../src/pin.ts';
import { Issuer, selfSigned, type LeafOptions } from './issuer.ts';
import { linkErrorOf, startServer } from './server.ts';

const here = { type: 'ip', value: '127.0.0.1' } as const;
const agentUri = {
  type: 'url',
  value: 'spiffe://sallyport/group/plant-7/agent/0199d0c5-3c9e-7a53-b0c1-6f1f4f0e3c11',
} as const;

let root: Issuer;
let intermediate: Issuer;
beforeAll(async () => {
  root = await Issuer.root();
  intermediate = await root.intermediate();
});

async function serverWith(options: LeafOptions) {
  const { chain, key } = await intermediate.leaf(options);
  return startServer({ cert: chain + root.pem, key });
}

/** Every way in which this program comes to believe that a peer is the control plane. */
const ways = [
  [
    'a link',
    async (baseUrl: string, peerName?: string) => {
      const link = new HttpsLink({ baseUrl, ca: root.pem, peerName });
      return link.request('GET', '/').finally(() => link.close());
    },
  ],
  [
    'a pin',
    (baseUrl: string, peerName?: string) =>
      fetchPinnedCa(baseUrl, certificateFingerprint(root.pem), { peerName }),
  ],
  [
    'a probe',
    async (baseUrl: string, peerName?: string) => {
      const { failure } = await probeLink({ baseUrl, ca: root.pem, peerName });
      if (failure) throw failure;
    },
  ],
] as const;

describe.each(ways)('[BM-14] of %s', (_, connect) => {
  test('a server from the CA that issues to agents too is taken', async () => {
    await using server = await serverWith({
      names: [here, { type: 'url', value: 'spiffe://corp/control-plane' }],
    });
    await connect(server.url);
  });

  test.each([
    ['beside the server’s own address', [here, agentUri], ['serverAuth', 'clientAuth']],
    ['alone', [agentUri], ['serverAuth', 'clientAuth']],
    ['in capitals', [here, { ...agentUri, value: agentUri.value.replace('spiffe', 'SPIFFE') }], []],
  ] as const)('an agent’s certificate is refused, its URI %s', async (...[, names, usages]) => {
    await using server = await serverWith({
      names: [...names],
      ...(usages.length === 0 ? {} : { usages: [...usages] }),
    });
    const failure = await linkErrorOf(connect(server.url));
    expect(failure).toMatchObject({ code: 'tls.agent_certificate', retryable: false });
  });

  test('a certificate for clients alone is refused', async () => {
    await using server = await serverWith({ names: [here], usages: ['clientAuth'] });
    const failure = await linkErrorOf(connect(server.url));
    expect(failure).toMatchObject({ code: 'tls.wrong_usage', retryable: false });
  });

  test.each([
    ['no name but its common one', []],
    ['a URI alone', [{ type: 'url', value: 'https://127.0.0.1/' }]],
    ['another address', [{ type: 'ip', value: '127.0.0.2' }]],
  ] as const)('a certificate with %s is refused', async (...[, names]) => {
    await using server = await serverWith({ names: [...names] });
    const failure = await linkErrorOf(connect(server.url));
    expect(failure.code).toMatch(/^tls\.(?:name_mismatch|certificate_unusable)$/);
  });
});

test.each([
  ['a URI', { type: 'url', value: 'urn:x' }],
  ['another address', { type: 'ip', value: '127.0.0.2' }],
] as const)(
  '[AX-16] the common name is no name of a host: issued for %s alone',
  async (_, name) => {
    // Its common name is the host that is connected to.
    const { chain, key } = await root.leaf({ names: [name], cn: 'localhost' });
    await using server = await startServer({ cert: chain, key });
    const link = new HttpsLink({ baseUrl: `https://localhost:${server.port}`, ca: root.pem });
    const failure = await linkErrorOf(link.request('GET', '/').finally(() => link.close()));
    expect(failure.code).toBe('tls.name_mismatch');
  },
);

test('a server that is its own CA is pinned by its own fingerprint, and one that is not by its CA’s', async () => {
  const own = await selfSigned({ names: [here] });
  await using server = await startServer({ cert: own.chain, key: own.key });
  expect(await fetchPinnedCa(server.url, certificateFingerprint(own.chain))).toBe(own.chain);
  const issued = await root.leaf({ names: [here] });
  await using other = await startServer({ cert: issued.chain + root.pem, key: issued.key });
  const pin = fetchPinnedCa(other.url, certificateFingerprint(issued.chain));
  expect((await linkErrorOf(pin)).code).toBe('tls.unknown_ca');
});

const elsewhere = [
  { type: 'url', value: 'spiffe://corp/control-plane' },
  { type: 'dns', value: 'cp.corp.example' },
  { type: 'dns', value: '*.wild.example' },
  { type: 'ip', value: '10.9.8.7' },
] as const;

describe.each(ways)(
  '[BM-14] of %s to a control plane that is to have a name of its own',
  (_, connect) => {
    test('a certificate with that URI, host name, address or public key is taken, whatever is connected to', async () => {
      const { chain, key } = await intermediate.leaf({ names: [...elsewhere] });
      await using server = await startServer({ cert: chain + root.pem, key });
      const { publicKey } = new X509Certificate(chain);
      const digest = hash('sha256', publicKey.export({ format: 'der', type: 'spki' }), 'base64url');
      const [uri, dns, , ip] = elsewhere;
      for (const name of [uri.value, dns.value, ip.value, `key:${digest}`])
        await connect(server.url, name);
    });

    test.each([
      'spiffe://corp/control',
      'corp.example',
      '.corp.example',
      'one.wild.example',
      '10.9.8.70',
      '127.0.0.1',
      `key:${'A'.repeat(43)}`,
    ])('one without it is refused: %s', async (name) => {
      await using server = await serverWith({ names: [...elsewhere] });
      const failure = await linkErrorOf(connect(server.url, name));
      expect(failure).toMatchObject({ code: 'tls.name_mismatch', retryable: false });
    });

    test('one for the host that is connected to alone is refused, and so is an agent’s with that name', async () => {
      await using named = await serverWith({ names: [here] });
      const mismatch = await linkErrorOf(connect(named.url, 'spiffe://corp/control-plane'));
      expect(mismatch).toMatchObject({ code: 'tls.name_mismatch' });
      await using agent = await serverWith({ names: [here, agentUri] });
      const refusal = await linkErrorOf(connect(agent.url, agentUri.value));
      expect(refusal).toMatchObject({ code: 'tls.agent_certificate' });
    });
  },
);
