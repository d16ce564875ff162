import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { readAgentConfig } from './config.ts';
import { routeThrough } from './link/route.ts';

/** What comes of an environment, with the secrets in the clear. */
function settingsFrom(env: Record<string, string>) {
  const { url, password, ...rest } = readAgentConfig({}, env).config.proxy;
  return { url: url?.reveal(), password: password?.reveal(), ...rest };
}

const own = 'SALLYPORT_AGENT_PROXY';

describe('the agent’s proxy settings', () => {
  test('are none by default', () => {
    expect(settingsFrom({})).toEqual({ url: undefined, password: undefined });
  });

  test('come from its own variables', () => {
    const settings = settingsFrom({
      [`${own}_URL`]: 'socks5h://agent@proxy:1080',
      [`${own}_PASSWORD`]: 'p',
      [`${own}_NO_PROXY`]: '.example.org, 10.0.0.0/8',
      [`${own}_CA`]: '/etc/proxy.pem',
    });
    expect(settings).toEqual({
      url: 'socks5h://agent@proxy:1080',
      password: 'p',
      noProxy: ['.example.org', '10.0.0.0/8'],
      ca: '/etc/proxy.pem',
    });
  });

  test('that stand in files are those of the moment, so that the proxy may ask for others', async () => {
    const folder = await createTempDirectory();
    try {
      const [url, password] = [join(folder.path, 'url'), join(folder.path, 'password')];
      await writeFile(url, 'http://agent@proxy');
      await writeFile(password, 'first');
      const { proxy, controlPlane } = readAgentConfig(
        {},
        { [`${own}_URL_FILE`]: url, [`${own}_PASSWORD_FILE`]: password },
      ).config;
      const route = await routeThrough(proxy, controlPlane.tls);
      expect(await route.proxy?.credentials?.()).toEqual({ user: 'agent', password: 'first' });
      await writeFile(url, 'http://other@proxy');
      await writeFile(password, 'second');
      expect(await route.proxy?.credentials?.()).toEqual({ user: 'other', password: 'second' });
      // The agent still goes through the one that it was started with.
      await writeFile(password, 'of another');
      for (const another of [
        'http://new@elsewhere',
        'https://new@proxy',
        'http://new@proxy:8080',
      ]) {
        await writeFile(url, another);
        expect(await route.proxy?.credentials?.()).toEqual({ user: 'agent', password: 'first' });
      }
    } finally {
      await folder.remove();
    }
  });

  test.each([
    { [`${own}_URL`]: 'ftp://canary:canary@proxy' },
    { [`${own}_URL`]: 'http://canary:100%@proxy' },
    { [`${own}_URL`]: 'http://proxy', [`${own}_NO_PROXY`]: 'canary:canary:1' },
    { SALLYPORT_AGENT_CONTROL_PLANE_ADDRESS: 'canary.example' },
  ])('that cannot be used are refused by name, without a value (%#)', (env) => {
    const [name = ''] = Object.keys(env).reverse();
    const read = () => readAgentConfig({}, env);
    expect(read).toThrow(name);
    expect(read).toThrow(/^(?!.*canary)/s);
  });
});

describe('HTTPS_PROXY and NO_PROXY', () => {
  const loopback = ['localhost', '127.0.0.0/8', '::1'];

  test.each([
    ['HTTPS_PROXY', 'NO_PROXY'],
    ['https_proxy', 'no_proxy'],
  ])('are taken as %s and %s where no proxy is set, loopback exempted', (proxy, exempt) => {
    const env = { [proxy]: 'http://proxy:3128', [exempt]: '.example.org,cp:9443 10.0.0.0/8' };
    const noProxy = [...loopback, '.example.org', 'cp:9443', '10.0.0.0/8'];
    expect(settingsFrom(env)).toMatchObject({ url: 'http://proxy:3128', noProxy });
  });

  test('that name no proxy are refused by name, without the value', async () => {
    const { proxy, controlPlane } = readAgentConfig({}, { HTTPS_PROXY: 'ftp://canary' }).config;
    const route = routeThrough(proxy, controlPlane.tls);
    await expect(route).rejects.toThrow(/HTTPS_PROXY/);
    await expect(route).rejects.toThrow(/^(?!.*canary)/s);
  });

  test('may leave out the scheme, as others allow', () => {
    expect(settingsFrom({ HTTPS_PROXY: 'proxy:3128' }).url).toBe('http://proxy:3128');
  });

  test('count for nothing where a proxy is set', () => {
    const env = { HTTPS_PROXY: 'http://other', NO_PROXY: '*', [`${own}_URL`]: 'http://proxy' };
    expect(settingsFrom(env)).toEqual({ url: 'http://proxy', password: undefined });
  });

  test('give way to proxy.noProxy, so that * keeps the agent off them', () => {
    const env = { HTTPS_PROXY: 'http://other', NO_PROXY: 'x', [`${own}_NO_PROXY`]: '*' };
    expect(settingsFrom(env).noProxy).toEqual([...loopback, '*']);
  });

  test('NO_PROXY without a proxy says nothing, and an empty HTTPS_PROXY is none', () => {
    expect(settingsFrom({ NO_PROXY: '*', HTTPS_PROXY: '' })).toEqual({});
  });
});
