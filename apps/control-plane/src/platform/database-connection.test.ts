import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '@sallyport/config/load';
import { serverConfig } from './config.ts';
import { refuseUnheededTls } from './database-connection.ts';

function heed(DATABASE_URL: string, env: Record<string, string> = {}): void {
  const options = { env: { DATABASE_URL }, programName: 'sallyport-server' };
  refuseUnheededTls(loadConfig(serverConfig, options).config.database, env);
}
const at = (query: string) => `postgres://app:canary@db.example/sallyport${query}`;

describe('[AX-04] TLS to Postgres that is asked for', () => {
  test.each([
    ['by PGSSLMODE alone', '', { PGSSLMODE: 'require' }, 'PGSSLMODE'],
    ['by ssl with a word', '?ssl=require', {}, 'ssl'],
    ['by ssl without a check', '?ssl=no-verify', {}, 'ssl'],
  ])('%s is not left out in silence: the start is refused, by the key', (_, query, env, named) => {
    const refused = () => heed(at(query), env);
    expect(refused).toThrow(
      expect.objectContaining({
        problems: [expect.stringMatching(new RegExp(`^database\\.url: .*${named} `))],
      }),
    );
    expect(refused).not.toThrow('canary');
  });

  test.each([
    ['by sslmode', '?sslmode=verify-full', { PGSSLMODE: 'require' }],
    ['by ssl=true', '?ssl=true', {}],
    ['nowhere', '', { PGSSLMODE: 'disable' }],
    ['nowhere at all', '', {}],
  ])('%s is taken', (_, query, env) => {
    expect(() => heed(at(query), env)).not.toThrow();
  });
});
