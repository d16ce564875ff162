import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startHttpProxy, type TestProxy } from '@sallyport/tls/test/proxies';
import { Guarded } from './guarded.ts';
import { BEHIND_PROXY, type Peer } from './peer.ts';
import { subjects, type Subject } from './subjects.ts';

let proxy: TestProxy;
beforeEach(async () => {
  proxy = await startHttpProxy({ hosts: { [BEHIND_PROXY]: 'localhost' } });
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

  test('is asked through the proxy, and nothing else is asked for', async () => {
    await using guarded = new Guarded(outOfReach(subject), { proxy: { url: proxyUrl() } });
    expect(await guarded.read(subject.uriOf('db-password'))).toBe('value');
    expect(new Set(proxy.destinations)).toEqual(new Set([destinationOf(peer)]));
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
