import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { LinkError } from '../src/link-error.ts';
import { bypassesProxy, isNoProxyEntry } from '../src/proxy/no-proxy.ts';
import { parseProxy } from '../src/proxy/proxy.ts';

describe('the URL of a proxy', () => {
  test.each([
    ['http://proxy:3128', { kind: 'http', host: 'proxy', port: 3128 }],
    ['http://proxy', { kind: 'http', port: 80 }],
    ['https://proxy.example.org/', { kind: 'https', port: 443 }],
    ['socks5://10.0.0.1', { kind: 'socks5', host: '10.0.0.1', port: 1080 }],
    ['socks5h://[::1]:1081', { kind: 'socks5', host: '::1', port: 1081 }],
  ])('%s is understood', (url, expected) => {
    expect(parseProxy(url)).toMatchObject(expected);
  });

  test.each([
    ['http://agent:pass@proxy', undefined, { user: 'agent', password: 'pass' }],
    ['http://agent@proxy', 'from elsewhere', { user: 'agent', password: 'from elsewhere' }],
    ['socks5h://agent@proxy', undefined, { user: 'agent', password: '' }],
    ['http://a%40b:%C3%BC%3A%25@proxy', undefined, { user: 'a@b', password: 'ü:%' }],
    ['socks5h://a%3Ab:x@proxy', undefined, { user: 'a:b', password: 'x' }],
    ['socks5h://agent@proxy', 'x'.repeat(255), { user: 'agent', password: 'x'.repeat(255) }],
    ['http://agent@proxy', 'x'.repeat(256), { user: 'agent', password: 'x'.repeat(256) }],
  ])('%s gives user name and password', (url, password, expected) => {
    expect(parseProxy(url, { password }).credentials?.()).toEqual(expected);
  });

  test('names nobody when it holds no user name', () => {
    expect(parseProxy('http://proxy').credentials).toBeUndefined();
  });

  test.each([
    ['', undefined],
    ['proxy:3128', undefined],
    ['ftp://canary@proxy', undefined],
    ['socks4://proxy', undefined],
    ['http://', undefined],
    ['http://proxy/canary', undefined],
    ['http://proxy?canary', undefined],
    ['http://proxy#canary', undefined],
    ['socks5h://ca$nary', undefined],
    ['http://canary:100%@proxy', undefined],
    ['http://canary%0A:x@proxy', undefined],
    ['http://can%3Aary:x@proxy', undefined],
    ['http://user:canary@proxy', 'canary'],
    ['http://proxy', 'canary'],
    [`socks5h://canary:${'x'.repeat(256)}@proxy`, undefined],
  ])('%s is refused without being quoted', (url, password) => {
    const refusal = refusalOf(() => parseProxy(url, { password }));
    expect(refusal).toMatchObject({ code: 'proxy.bad_url', retryable: false });
    expect(refusal.message).not.toContain('canary');
  });

  test('[AX-18] a proxy that is printed shows no credentials', () => {
    const proxy = parseProxy('http://canary-user:canary-password@proxy:3128');
    const printed = [JSON.stringify(proxy), inspect(proxy, { depth: null }), proxy.origin];
    expect(printed.join(' ')).not.toContain('canary');
  });
});

describe('NO_PROXY', () => {
  test.each([
    ['*', 'anything.example', 443, true],
    ['example.org', 'example.org', 443, true],
    ['example.org', 'cp.example.org', 443, true],
    ['example.org', 'anexample.org', 443, false],
    ['example.org', 'example.org.evil', 443, false],
    ['.example.org', 'cp.example.org', 443, true],
    ['.example.org', 'example.org', 443, false],
    ['*.example.org', 'cp.example.org', 443, true],
    ['*.example.org', 'example.org', 443, false],
    ['EXAMPLE.org', 'Example.ORG', 443, true],
    ['example.org.', 'example.org', 443, true],
    ['example.org', 'example.org.', 443, true],
    ['example.org:8443', 'example.org', 8443, true],
    ['example.org:8443', 'example.org', 443, false],
    ['example.org:8443', 'another.example', 8443, false],
    ['.example.org:8443', 'cp.example.org', 8443, true],
    [' example.org ', 'example.org', 443, true],
    ['10.0.0.0/8', '10.200.3.4', 443, true],
    ['10.0.0.0/8', '11.0.0.1', 443, false],
    ['10.0.0.0/8', '10.example.org', 443, false],
    ['10.1.2.3', '10.1.2.3', 443, true],
    ['10.1.2.3', '10.1.2.30', 443, false],
    ['10.1.2.3:9443', '10.1.2.3', 9443, true],
    ['10.1.2.3:9443', '10.1.2.3', 443, false],
    ['fd00::/8', 'fd12::1', 443, true],
    ['fd00::/8', 'fe80::1', 443, false],
    ['::1', '0:0:0:0:0:0:0:1', 443, true],
    ['[::1]', '::1', 443, true],
    ['[::1]:9443', '::1', 9443, true],
    ['[::1]:9443', '::1', 443, false],
    ['localhost', '127.0.0.1', 443, false],
  ])('%j for %s:%i: %s', (entry, host, port, expected) => {
    expect(isNoProxyEntry(entry)).toBe(true);
    expect(bypassesProxy(['other.invalid', entry], { host, port })).toBe(expected);
  });

  test.each([
    '',
    '10.0.0.0/33',
    'fd00::/129',
    'example.org/8',
    'exa mple',
    'a:b:c',
    'http://x',
    '.',
  ])('%j is not understood, and exempts nothing', (entry) => {
    expect(isNoProxyEntry(entry)).toBe(false);
    expect(bypassesProxy([entry], { host: 'example.org', port: 443 })).toBe(false);
  });

  test('a range holds for the address that is set for a name, and no list exempts nothing', () => {
    const destination = { host: 'cp.invalid', port: 443, address: '10.1.2.3' };
    expect(bypassesProxy(['10.0.0.0/8'], destination)).toBe(true);
    expect(bypassesProxy(['11.0.0.0/8'], destination)).toBe(false);
    expect(bypassesProxy([], destination)).toBe(false);
  });
});

function refusalOf(parse: () => unknown): LinkError {
  try {
    parse();
  } catch (error) {
    if (error instanceof LinkError) return error;
  }
  throw new Error('expected a LinkError');
}
