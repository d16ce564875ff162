import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '@sallyport/config/load';
import { signInBody } from '@sallyport/contract';
import { serverConfig } from './config.ts';

const load = (env: Record<string, string>) =>
  loadConfig(serverConfig, { env, programName: 'test' }).config;

const ports = (operator: string, agent: string, metrics: string) => ({
  SALLYPORT_OPERATOR_API_PORT: operator,
  SALLYPORT_AGENT_API_PORT: agent,
  SALLYPORT_METRICS_PORT: metrics,
});
const hosts = (operator: string, agent: string) => ({
  SALLYPORT_OPERATOR_API_HOST: operator,
  SALLYPORT_AGENT_API_HOST: agent,
});

test('[AT-07] no policy lets an API key live longer than 180 days, nor by default longer than it may', () => {
  expect(load({ SALLYPORT_API_KEYS_MAX_DAYS: '180' })).toMatchObject({ apiKeys: { maxDays: 180 } });
  expect(() => load({ SALLYPORT_API_KEYS_MAX_DAYS: '181' })).toThrow(/apiKeys\.maxDays/);
  expect(() => load({ SALLYPORT_API_KEYS_MAX_DAYS: '89' })).toThrow(/apiKeys\.defaultDays/);
});

describe('two listeners at one port', () => {
  test('are refused by the keys of both, without the port', () => {
    const refusal = (env: Record<string, string>) => {
      try {
        load(env);
        return 'none';
      } catch (error) {
        return String(error);
      }
    };
    expect(refusal(ports('8001', '8001', '8002'))).toMatch(
      /: agentApi\.port \(SALLYPORT_AGENT_API_PORT\): operatorApi\.port is the same; give each its own$/,
    );
    expect(refusal(ports('8001', '8002', '8001'))).toMatch(
      /: metrics\.port \(SALLYPORT_METRICS_PORT\): operatorApi\.port is the same; give each its own$/,
    );
    expect(refusal({ SALLYPORT_METRICS_PORT: '9443' })).toMatch(/metrics\.port.*agentApi\.port/);
  });

  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['localhost', 'localhost'],
    ['0.0.0.0', '127.0.0.1'],
    ['192.0.2.1', '::'],
    ['::', '0.0.0.0'],
  ])('are refused at %s and %s', (operator, agent) => {
    const env = { ...ports('8001', '8001', '8002'), ...hosts(operator, agent) };
    expect(() => load(env)).toThrow(/operatorApi\.port is the same/);
  });

  test.each([
    ['127.0.0.1', '127.0.0.2'],
    ['127.0.0.1', '::1'],
    ['0.0.0.0', '::1'],
  ])('are taken at %s and %s', (operator, agent) => {
    const env = { ...ports('8001', '8001', '8002'), ...hosts(operator, agent) };
    expect(load(env)).toMatchObject({ operatorApi: { port: 8001 }, agentApi: { port: 8001 } });
  });

  test('are taken where each takes a free one, or its role is that of another process', () => {
    expect(load(ports('0', '0', '0'))).toMatchObject({ metrics: { port: 0 } });
    const env = { ...ports('8001', '8001', '8001'), SALLYPORT_ROLES: 'worker' };
    expect(load(env)).toMatchObject({ metrics: { port: 8001 } });
    expect(() => load({ ...env, SALLYPORT_ROLES: 'agent-api' })).toThrow(
      /metrics\.port .*agentApi\.port is the same/,
    );
  });
});

describe('[A7-06] the URL of a database', () => {
  const withUrls = (url: string, ownerUrl: string) =>
    load({ DATABASE_URL: url, DATABASE_OWNER_URL: ownerUrl });
  const whole = 'postgresql://sallyport:canary%23word@localhost/sallyport';

  test.each(['postgresql://sallyport:canary#word@localhost/sallyport', 'canary'])(
    'that is none is refused by its key, and not repeated: %s',
    (url) => {
      const refused = /: database\.url \(DATABASE_URL\): is no URL; .*; database\.ownerUrl /;
      expect(() => withUrls(url, url)).toThrow(refused);
      expect(() => withUrls(url, url)).not.toThrow(/canary/);
      expect(() => withUrls(whole, url)).toThrow(/: database\.ownerUrl \(DATABASE_OWNER_URL\): /);
    },
  );

  test('may name a socket', () => {
    for (const url of [whole, 'postgresql:///sallyport?host=/run/postgresql', 'socket:/run/pg'])
      expect(withUrls(url, whole).database.url?.reveal()).toBe(url);
  });
});

describe('[AX-18] the first owner’s password', () => {
  const withPassword = (password: string) => load({ SALLYPORT_OWNER_PASSWORD: password });

  test('is as long as any other has to be', () => {
    expect(withPassword('canary-12345').owner.password?.reveal()).toBe('canary-12345');
    expect(() => withPassword('canary-1234')).toThrow(
      /: owner\.password \(SALLYPORT_OWNER_PASSWORD\): use at least 12 characters$/,
    );
  });

  test('is none that nobody could sign in with', () => {
    const password = 'canary'.repeat(200);
    expect(signInBody.safeParse({ name: 'owner', password }).success).toBe(false);
    expect(() => withPassword(password)).toThrow(/owner\.password .*1024 characters$/);
    expect(() => withPassword(password)).not.toThrow(/canary/);
  });
});
