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
    async (baseUrl: string) => {
      const link = new HttpsLink({ baseUrl, ca: root.pem });
      return link.request('GET', '/').finally(() => link.close());
    },
  ],
  ['a pin', (baseUrl: string) => fetchPinnedCa(baseUrl, certificateFingerprint(root.pem))],
  [
    'a probe',
    async (baseUrl: string) => {
      const { failure } = await probeLink({ baseUrl, ca: root.pem });
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

test('[AX-16] the common name is no name of a host', async () => {
  // Issued for the URI alone; its common name is the host that is connected to.
  const { chain, key } = await root.leaf({
    names: [{ type: 'url', value: 'urn:x' }],
    cn: 'localhost',
  });
  await using server = await startServer({ cert: chain, key });
  const link = new HttpsLink({ baseUrl: `https://localhost:${server.port}`, ca: root.pem });
  const failure = await linkErrorOf(link.request('GET', '/').finally(() => link.close()));
  expect(failure.code).toBe('tls.name_mismatch');
});

test('a server that is its own CA is pinned by its own fingerprint, and one that is not by its CA’s', async () => {
  const own = await selfSigned({ names: [here] });
  await using server = await startServer({ cert: own.chain, key: own.key });
  expect(await fetchPinnedCa(server.url, certificateFingerprint(own.chain))).toBe(own.chain);
  const issued = await root.leaf({ names: [here] });
  await using other = await startServer({ cert: issued.chain + root.pem, key: issued.key });
  const pin = fetchPinnedCa(other.url, certificateFingerprint(issued.chain));
  expect((await linkErrorOf(pin)).code).toBe('tls.unknown_ca');
});
