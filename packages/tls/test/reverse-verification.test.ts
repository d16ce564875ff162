import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectPlainly, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { expect, test } from '@jest/globals';
import { acceptPinnedCa } from '../src/accept-pinned-ca.ts';
import { certificateFingerprint } from '../src/fingerprint.ts';
import { LinkError } from '../src/link-error.ts';
import {
  assertDialledAgent,
  CONTROL_PLANE_NAME,
  refuseAgentAsControlPlane,
} from '../src/peer-certificate.ts';
import { defaultTlsPolicy } from '../src/policy.ts';
import { makeSelfSigned } from '../src/self-signed.ts';
import { Issuer, selfSigned, withTime, type IssuedLeaf, type LeafOptions } from './issuer.ts';
import {
  agentLeaf,
  clientOptions as client,
  controlPlaneNames,
  controlPlaneLeaf,
  credentials,
  diallingServer,
  listeningAgent,
  localNames,
  organisation,
  type DiallingServer,
} from './reverse.ts';
import { linkErrorOf } from './server.ts';

const closed = (socket: Pick<Socket, 'once'>) =>
  new Promise<void>((done) => socket.once('close', () => done()));

/** Why the agent refused a control plane that shows this. */
async function refusedBy(
  options: Parameters<typeof listeningAgent>[0],
  leaf: IssuedLeaf | undefined,
) {
  await using agent = await listeningAgent(options);
  const refused = agent.nextRefused();
  const identity = leaf === undefined ? {} : credentials(leaf);
  const socket = connect({
    host: '127.0.0.1',
    port: agent.accepted.port,
    ca: organisation.rootPem,
    ...identity,
  });
  socket.on('error', () => {});
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  const [error] = await Promise.all([refused, closed(socket)]);
  expect(Buffer.concat(received)).toHaveLength(0);
  expect(agent.refused).toEqual([error]);
  return error;
}

const foreign = await Issuer.root('CN=Foreign');
test('[BM-02] [BM-13] [SG-09] an agent refuses whoever shows no certificate, or one of a foreign CA', async () => {
  expect(await refusedBy({}, undefined)).toMatchObject({ code: 'tls.no_certificate' });
  const intermediate = await foreign.intermediate();
  expect(await refusedBy({}, await intermediate.leaf(client))).toMatchObject({
    code: 'tls.chain_incomplete',
  });
  expect(await refusedBy({}, await selfSigned(client))).toMatchObject({ code: 'tls.unknown_ca' });
});

test('[BM-07] an agent refuses a control plane whose certificate is for servers alone, or for nothing named', async () => {
  const { names } = client;
  for (const options of [{ names, usages: ['serverAuth'] }, { names }] satisfies LeafOptions[]) {
    const leaf = await organisation.leaf(options);
    expect(await refusedBy({}, leaf)).toMatchObject({ code: 'tls.wrong_usage' });
  }
});

test('[BM-08] an agent refuses a control plane of another name, and takes a URI, a host name or an address', async () => {
  const leaf = await organisation.leaf({
    ...client,
    names: [
      ...controlPlaneNames,
      { type: 'dns', value: 'cp.example' },
      { type: 'ip', value: 'fd00::1' },
    ],
  });
  for (const controlPlaneName of ['spiffe://other/control-plane', 'cp2.example', 'fd00::2'])
    expect(await refusedBy({ controlPlaneName }, leaf)).toMatchObject({
      code: 'tls.name_mismatch',
    });
  for (const controlPlaneName of [CONTROL_PLANE_NAME, 'cp.example', 'fd00::1']) {
    await using agent = await listeningAgent({ controlPlaneName });
    await using controlPlane = await diallingServer(agent.accepted.port);
    await controlPlane.dial({ leaf });
    expect((await agent.link.request('GET', '/')).status).toBe(200);
  }
});

test('[BM-14] an agent’s certificate never makes it the control plane, whatever else it is good for', async () => {
  const leaf = await organisation.leaf({
    ...client,
    names: [
      ...controlPlaneNames,
      {
        type: 'url',
        value: 'spiffe://sallyport/group/g/agent/01890a5d-ac96-774b-bcce-b302099a8057',
      },
    ],
  });
  expect(await refusedBy({}, leaf)).toMatchObject({ code: 'tls.agent_certificate' });
  const [certificate = ''] = leaf.parts;
  expect(() => refuseAgentAsControlPlane(new X509Certificate(certificate))).toThrow(LinkError);
  const [own = ''] = controlPlaneLeaf.parts;
  expect(() => refuseAgentAsControlPlane(new X509Certificate(own))).not.toThrow();
});

/** Why a control plane refused an agent that shows this. */
async function dialRefused(
  leaf: IssuedLeaf,
  options: Parameters<DiallingServer['dial']>[0] = {},
): Promise<LinkError> {
  await using agent = await listeningAgent({ leaf });
  await using controlPlane = await diallingServer(agent.accepted.port);
  return await linkErrorOf(controlPlane.dial(options));
}

test('[BM-10] a control plane refuses an agent whose certificate is for clients alone', async () => {
  const names = localNames;
  const leaf = await organisation.leaf({ names, usages: ['clientAuth'] });
  expect(await dialRefused(leaf)).toMatchObject({ code: 'tls.wrong_usage' });
  const fingerprint = certificateFingerprint(leaf.parts[0] ?? '');
  expect(await dialRefused(leaf, { fingerprint })).toMatchObject({ code: 'tls.wrong_usage' });
});

test('[BM-11] one certificate serves two host names and an address, and no third name', async () => {
  const names: LeafOptions['names'] = [
    { type: 'dns', value: 'localhost' },
    { type: 'dns', value: 'ip6-localhost' },
    { type: 'ip', value: '127.0.0.1' },
  ];
  const leaf = await organisation.leaf({ names, usages: ['serverAuth'] });
  await using agent = await listeningAgent({ leaf, host: '0.0.0.0' });
  await using controlPlane = await diallingServer(agent.accepted.port);
  const fingerprint = certificateFingerprint(leaf.parts[0] ?? '');
  for (const pin of [undefined, fingerprint]) {
    for (const host of ['localhost', '127.0.0.1'])
      await controlPlane.dial({ host, fingerprint: pin });
    expect(
      await linkErrorOf(controlPlane.dial({ host: '127.0.0.2', fingerprint: pin })),
    ).toMatchObject({ code: 'tls.name_mismatch' });
  }
  const certificate = new X509Certificate(leaf.parts[0] ?? '');
  for (const host of ['localhost', 'ip6-localhost', '127.0.0.1'])
    expect(() => assertDialledAgent(certificate, host)).not.toThrow();
  expect(() => assertDialledAgent(certificate, 'third.example')).toThrow(LinkError);
});

test('[BM-12] certificates that are for both, servers and clients, work on either side', async () => {
  const usages: LeafOptions['usages'] = ['serverAuth', 'clientAuth'];
  await using agent = await listeningAgent({
    leaf: await organisation.leaf({ names: localNames, usages }),
  });
  await using controlPlane = await diallingServer(agent.accepted.port);
  await controlPlane.dial({ leaf: await organisation.leaf({ ...client, usages }) });
  expect((await agent.link.request('GET', '/')).status).toBe(200);
});

test('[BM-09] an agent that leaves an intermediate certificate out is refused by name, and one that shows it is not', async () => {
  const intermediate = await organisation.intermediate();
  const leaf = await intermediate.leaf({ names: localNames, usages: ['serverAuth'] });
  const alone = { ...leaf, chain: leaf.parts[0] ?? '' };
  expect(await dialRefused(alone)).toMatchObject({
    code: 'tls.chain_incomplete',
    message: expect.stringContaining('an intermediate certificate is missing'),
  });
  // Or the control plane holds it.
  for (const [shown, ca] of [
    [leaf, [organisation.rootPem]],
    [alone, [intermediate.pem]],
  ] as const) {
    await using agent = await listeningAgent({ leaf: shown });
    await using controlPlane = await diallingServer(agent.accepted.port);
    await controlPlane.dial({ ca: [...ca] });
  }
});

test('[BM-02] [SG-09] a control plane refuses an agent of a foreign CA, of another pin, or out of its time', async () => {
  const leaf = await foreign.leaf({ names: localNames, usages: ['serverAuth'] });
  expect(await dialRefused(leaf)).toMatchObject({ code: 'tls.chain_incomplete' });
  expect(await dialRefused(leaf, { ca: [] })).toMatchObject({ code: 'tls.chain_incomplete' });
  const fingerprint = certificateFingerprint(leaf.parts[0] ?? '');
  expect(await dialRefused(agentLeaf, { fingerprint })).toMatchObject({
    code: 'tls.fingerprint_mismatch',
    retryable: false,
  });
  const expired = await selfSigned({
    names: localNames,
    usages: ['serverAuth'],
    notAfter: new Date(Date.now() - 1_000),
  });
  const timeless = await selfSigned({
    kind: 'Ed25519',
    names: localNames,
    usages: ['serverAuth'],
    notAfter: new Date('2049-01-01'),
  });
  const chain = withTime(timeless, '490101000000Z', 'to the end of');
  for (const pinned of [expired, { ...timeless, chain, parts: [chain] }])
    expect(
      await dialRefused(pinned, { fingerprint: certificateFingerprint(pinned.parts[0] ?? '') }),
    ).toMatchObject({ code: 'tls.expired' });
});

test('[BM-03] a self-signed certificate that was made here is taken by its pin, or as its own CA, and not otherwise', async () => {
  const { cert, key } = await makeSelfSigned(['localhost', '127.0.0.1', 'fd00::1'], Date.now());
  const leaf = { chain: cert, key, parts: [cert] };
  const certificate = new X509Certificate(cert);
  expect(certificate.checkIP('fd00::1')).toBe('fd00::1');
  expect(certificate.ca).toBe(false);
  const years = (certificate.validToDate.getTime() - Date.now()) / (365 * 24 * 3_600_000);
  expect(years).toBeGreaterThan(9.9);
  await using agent = await listeningAgent({ leaf });
  await using controlPlane = await diallingServer(agent.accepted.port);
  await controlPlane.dial({ fingerprint: certificateFingerprint(cert) });
  await controlPlane.dial({ ca: [cert] });
  expect(await linkErrorOf(controlPlane.dial())).toMatchObject({ code: 'tls.unknown_ca' });
});

test('[BM-13] the CA of the control plane is known by its fingerprint at the first contact, and by no other', async () => {
  const signal = new AbortController();
  const refused: LinkError[] = [];
  const waiting = await listeningAgent();
  const { port } = waiting.accepted;
  await waiting[Symbol.asyncDispose]();
  const pinned = acceptPinnedCa(certificateFingerprint(organisation.rootPem), {
    host: '127.0.0.1',
    port,
    identity: credentials(agentLeaf),
    tls: defaultTlsPolicy,
    signal: signal.signal,
    onRefused: (error) => refused.push(error),
  });
  await using controlPlane = await diallingServer(port);
  const withRoot = { ...controlPlaneLeaf, chain: controlPlaneLeaf.chain + organisation.rootPem };
  const stranger = await foreign.leaf(client);
  await closed(
    await controlPlane.dial({ leaf: { ...stranger, chain: stranger.chain + foreign.rootPem } }),
  );
  await closed(
    connect({ host: '127.0.0.1', port, rejectUnauthorized: false }).on('error', () => {}),
  );
  const plain = connectPlainly(port, '127.0.0.1').on('error', () => {});
  plain.write('GET / HTTP/1.0\r\n\r\n');
  await closed(plain);
  // As the control plane's next connection is, while the first is looked at: hung up on, and nothing to tell of.
  const unfinished = connectPlainly(port, '127.0.0.1').on('error', () => {});
  await once(unfinished, 'connect');
  await controlPlane.dial({ leaf: withRoot });
  await closed(unfinished);
  expect(await pinned).toBe(new X509Certificate(organisation.rootPem).toString());
  expect(refused).toEqual([
    expect.objectContaining({
      code: 'tls.fingerprint_mismatch',
      message: expect.stringContaining('where the CA was replaced since, that sallyport ca list'),
    }),
    expect.objectContaining({ code: 'tls.no_certificate' }),
    expect.objectContaining({ code: 'tls.handshake' }),
  ]);
  // A host name takes a while to be listened at.
  const wait = () =>
    acceptPinnedCa(certificateFingerprint(foreign.rootPem), {
      host: 'localhost',
      port: 0,
      identity: credentials(agentLeaf),
      tls: defaultTlsPolicy,
      signal: signal.signal,
      onRefused: () => {},
    });
  const waited = wait();
  signal.abort(new Error('long enough'));
  await expect(waited).rejects.toThrow('long enough');
  await expect(wait()).rejects.toThrow('long enough');
});

test('[BM-13] who is at the handshake while the agent ends is hung up on, and not told of as refused', async () => {
  const agent = await listeningAgent();
  const { port } = agent.accepted;
  const unfinished = connectPlainly(port, '127.0.0.1').on('error', () => {});
  await once(unfinished, 'connect');
  await using controlPlane = await diallingServer(port);
  await controlPlane.dial();
  await agent[Symbol.asyncDispose]();
  await closed(unfinished);
  expect(agent.refused).toEqual([]);
});
