import { expect, test } from '@jest/globals';
import { loadConfig } from '@sallyport/config/load';
import { serverConfig } from './config.ts';

const load = (env: Record<string, string>) =>
  loadConfig(serverConfig, { env, programName: 'test' }).config;

test('proxies are trusted by address and network', () => {
  expect(load({ SALLYPORT_TRUST_PROXY: '10.0.0.0/8,2001:db8::1' }).trustProxy).toEqual([
    '10.0.0.0/8',
    '2001:db8::1',
  ]);
});

test.each(['0.0.0.0/0', '::/0', '10.0.0.1,0.0.0.0/0', '*', 'true', 'loopback'])(
  'not everybody is trusted to say who a request comes from: %s',
  (proxies) => {
    expect(() => load({ SALLYPORT_TRUST_PROXY: proxies })).toThrow(/trustProxy/);
  },
);

test('fips and argon2id exclude each other', () => {
  expect(load({ SALLYPORT_FIPS: 'true' }).fips).toBe(true);
  const both = { SALLYPORT_FIPS: 'true', SALLYPORT_PASSWORD_HASH: 'argon2id' };
  expect(() => load(both)).toThrow(/passwordHash/);
});
