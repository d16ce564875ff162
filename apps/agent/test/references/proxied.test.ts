import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { startHttpProxy, startSocks5Proxy, type TestProxy } from '@sallyport/tls/test/proxies';
import { Guarded } from './guarded.ts';
import { BEHIND_PROXY, type Peer } from './peer.ts';
import { subjects, type Subject } from './subjects.ts';

const hosts = { [BEHIND_PROXY]: 'localhost' };
const LOOPBACK = { type: 'ip', value: '127.0.0.1' } as const;

let proxy: TestProxy;
beforeEach(async () => {
  proxy = await startHttpProxy({ hosts });
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
});

const proxyUrl = () => `http://127.0.0.1:${proxy.port}`;
const behindProxy = (url: string) => url.replaceAll('//localhost:', `//${BEHIND_PROXY}:`);
const destinationOf = ({ url }: Peer) => new URL(behindProxy(url)).host;

/** The same, its peer under the name that this host cannot resolve. */
function outOfReach({ settings, env }: Subject): Pick<Subject, 'settings' | 'env'> {
  return { settings: JSON.parse(behindProxy(JSON.stringify(settings))), env };
}

describe.each(subjects.slice(0, 4))('[AX-14] %s', (_, start) => {
  let subject: Subject;
  let peer: Peer;
  beforeEach(async () => {
    subject = await start();
    if (subject.peer === undefined) throw new Error('it is not asked over the network');
    peer = subject.peer;
    await subject.put('db-password', 'value');
  });
  afterEach(async () => {
    await subject[Symbol.asyncDispose]();
  });

  test('is asked through the proxy, of whichever kind, and nothing else is asked for', async () => {
    const { chain: cert, key } = await peer.issuer.leaf({ names: [LOOPBACK] });
    const kinds = {
      http: async () => startHttpProxy({ hosts }),
      https: async () => startHttpProxy({ hosts }, { cert, key }),
      socks5h: async () => startSocks5Proxy({ hosts }),
    };
    await using home = await createTempDirectory('proxy');
    const ca = join(home.path, 'ca.pem');
    await writeFile(ca, peer.ca);
    for (const [kind, startOne] of Object.entries(kinds)) {
      await using way = await startOne();
      const url = `${kind}://127.0.0.1:${way.port}`;
      await using guarded = new Guarded(outOfReach(subject), { proxy: { url, ca } });
      expect(await guarded.read(subject.uriOf('db-password'))).toBe('value');
      expect(new Set(way.destinations)).toEqual(new Set([destinationOf(peer)]));
    }
  });

  test('is not reached without a proxy, nor past it where noProxy exempts what only it reaches', async () => {
    for (const given of [undefined, { url: proxyUrl(), noProxy: ['.invalid'] }]) {
      await using guarded = new Guarded(outOfReach(subject), { proxy: given });
      const read = guarded.read(subject.uriOf('db-password'));
      await expect(read).rejects.toMatchObject({ code: 'reference.unreachable' });
    }
    expect([proxy.destinations, peer.asked]).toEqual([[], []]);
  });

  test('is asked directly where noProxy exempts it', async () => {
    const exempt = { url: proxyUrl(), noProxy: ['localhost'] };
    await using guarded = new Guarded(subject, { proxy: exempt });
    expect(await guarded.read(subject.uriOf('db-password'))).toBe('value');
    expect(proxy.destinations).toEqual([]);
  });
});
