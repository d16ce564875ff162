import { once } from 'node:events';
import { connect as connectTcp, createServer } from 'node:net';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Issuer } from '@sallyport/tls/test/issuer';
import { until } from './harness.ts';
import { authority, ProgramsOnTcp, serverLeaf, withToken } from './programs-on-tcp.ts';

const stranger = await Issuer.root('CN=Another CA');
let programs: ProgramsOnTcp;
beforeAll(async () => {
  programs = await ProgramsOnTcp.create();
});
afterEach(() => programs.stop());
afterAll(() => programs[Symbol.asyncDispose]());

describe('[A7-21] programs on TCP with TLS', () => {
  test('are served by their token over TLS that shows the agent’s certificate, and not without TLS', async () => {
    await programs.start({
      tokenFile: await programs.putToken(),
      keystore: { file: await programs.putKeystore(await serverLeaf()) },
    });
    expect(await programs.askTls({ headers: withToken })).toMatchObject({
      status: 200,
      body: { value: 's3cret' },
    });
    expect(await programs.askTls()).toMatchObject({ status: 401 });
    await expect(programs.ask(withToken)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await expect(
      programs.askTls({ headers: withToken, ca: stranger.rootPem }),
    ).rejects.toMatchObject({
      code: 'SELF_SIGNED_CERT_IN_CHAIN',
    });
  });

  test('are asked by a name in the certificate, and not by what it ends in', async () => {
    const leaf = await authority.leaf({
      names: [
        { type: 'ip', value: '127.0.0.1' },
        { type: 'dns', value: 'agent.example' },
      ],
      usages: ['serverAuth'],
    });
    await programs.start({
      tokenFile: await programs.putToken(),
      keystore: { file: await programs.putKeystore(leaf) },
    });
    // Node would look for the host of the header in the certificate itself.
    const checkServerIdentity = () => undefined;
    const by = async (host: string) =>
      (await programs.askTls({ headers: { ...withToken, host }, checkServerIdentity })).status;
    expect(await by('agent.example')).toBe(200);
    expect(await by('.example')).toBe(421);
  });

  test('[AX-05] negotiate what localApi.tcp.tls allows, and nothing older', async () => {
    await programs.start({
      tokenFile: await programs.putToken(),
      keystore: { file: await programs.putKeystore(await serverLeaf()) },
      tls: { minVersion: 'TLS1.3' },
    });
    expect(await programs.askTls({ headers: withToken })).toMatchObject({ status: 200 });
    await expect(
      programs.askTls({ headers: withToken, maxVersion: 'TLSv1.2' }),
    ).rejects.toMatchObject({
      message: expect.stringContaining('alert protocol version'),
    });
  });

  test('[BM-21] are shown the new certificate once the file holds another; a bad file keeps the old one', async () => {
    const first = await serverLeaf();
    const second = await serverLeaf();
    const keystore = { file: await programs.putKeystore(first) };
    const api = await programs.start({ tokenFile: await programs.putToken(), keystore });
    const shown = async () => {
      const socket = connect({ host: '127.0.0.1', port: programs.port, ca: authority.rootPem });
      await once(socket, 'secureConnect');
      const pem = socket.getPeerX509Certificate()?.toString();
      socket.destroy();
      return pem;
    };
    expect(await shown()).toBe(first.parts[0]);
    await programs.put('keystore.pem', 'no keystore');
    await api.refresh();
    expect(await programs.fileProblems()).toEqual([
      expect.stringMatching(/^localApi\.tcp\.keystore\.file: /),
    ]);
    expect(await shown()).toBe(first.parts[0]);
    await programs.putKeystore(second);
    await api.refresh();
    expect(await shown()).toBe(second.parts[0]);
    expect(await programs.fileProblems()).toEqual([]);
  });

  test('[F-02] cannot connect while a file was never good, nor without TLS; the socket serves, and the listener is there once it is', async () => {
    const keystore = { file: await programs.put('keystore.pem', 'no keystore') };
    const truststore = { file: await programs.put('truststore.pem', 'no truststore') };
    const clientNames = ['shop'];
    const tokenFile = await programs.putToken('short');
    const api = await programs.start({ keystore, truststore, clientNames, tokenFile });
    const ofToken = expect.stringMatching(/holds no token .*looked at again/);
    const told = (kind: string) =>
      expect.stringMatching(`^localApi\\.tcp\\.${kind}\\.file: .*looked at again`);
    const isClosed = () =>
      expect(programs.ask(withToken)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await programs.fileProblems()).toEqual([told('keystore'), told('truststore'), ofToken]);
    await isClosed();
    await programs.putKeystore(await serverLeaf());
    await api.refresh();
    expect(await programs.fileProblems()).toEqual([told('truststore'), ofToken]);
    await isClosed();
    await programs.put('truststore.pem', authority.rootPem);
    await api.refresh();
    expect(await programs.fileProblems()).toEqual([ofToken]);
    await isClosed();

    await programs.putToken();
    const other = createServer().listen(programs.port, '127.0.0.1');
    await once(other, 'listening');
    await api.refresh();
    expect(await programs.fileProblems()).toEqual([expect.stringContaining('EADDRINUSE')]);
    await once(other.close(), 'close');
    await api.refresh();
    expect(await programs.fileProblems()).toEqual([]);
    const names = [{ type: 'dns' as const, value: 'shop' }];
    const { chain: cert, key } = await authority.leaf({ names, usages: ['clientAuth'] });
    const shown = { cert, key, headers: withToken };
    expect(await programs.askTls(shown)).toMatchObject({ status: 200 });
    await expect(programs.askTls()).rejects.toThrow();
    await expect(programs.ask(withToken)).rejects.toThrow();
  });
});

test('[A7-21] programs that begin no handshake keep no other out', async () => {
  await programs.start({
    tokenFile: await programs.putToken(),
    keystore: { file: await programs.putKeystore(await serverLeaf()) },
  });
  const silent = Array.from({ length: 100 }, () =>
    connectTcp(programs.port, '127.0.0.1')
      .on('error', () => {})
      .resume(),
  );
  expect(await programs.askTls({ headers: withToken })).toMatchObject({ status: 200 });
  const cutOff = () => silent.filter(({ destroyed }) => destroyed).length;
  // Long before their handshakes take too long.
  await until(() => cutOff() > 0, 2_000);
  expect(cutOff()).toBeLessThan(silent.length);
  for (const socket of silent) socket.destroy();
});
