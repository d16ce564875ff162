import { describe, expect, test } from '@jest/globals';
import { ConfigError } from '../src/load.ts';
import { configReference } from '../src/reference.ts';
import { configErrorExitCode, reportConfigError } from '../src/report.ts';
import { settingsOf } from '../src/settings.ts';
import { schema } from './schema.ts';

describe('the configuration reference', () => {
  const page = configReference(schema, { programName: 'test' });

  test('has a row for every key of the schema, and no other', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('| `'));
    expect(rows.map((line) => line.split('`')[1])).toEqual([
      'database.url',
      'database.poolSize',
      'operatorApi.host',
      'operatorApi.port',
      'cookieKey',
      'roles',
      'verbose',
      'retries',
      'telemetry.url',
      'telemetry.token',
      'providers[].name',
      'providers[].clientSecret',
      'labels.<name>',
    ]);
    expect(rows).toHaveLength(settingsOf(schema).length);
  });

  test.each([
    '| `database.url` | `DATABASE_URL` | yes | **required** | Where Postgres is |',
    '| `database.poolSize` | `SALLYPORT_DATABASE_POOL_SIZE` | no | `10` | Connections \\| at most |',
    '| `cookieKey` | `SALLYPORT_COOKIE_KEY` | yes | unset |  |',
    '| `roles` | `SALLYPORT_ROLES` | no | `["api"]` |  |',
    '| `providers[].clientSecret` | file only | no | **required** |  |',
  ])('tells variable, _FILE, default and description: %s', (row) => {
    expect(page).toContain(row);
  });
});

test('a configuration error is printed with one problem per line', () => {
  const lines: string[] = [];
  const error = new ConfigError('sallyport-server', ['a: required', 'b (B): expected a number']);
  reportConfigError(error, (text) => lines.push(text));
  expect(lines.join('')).toBe(
    'sallyport-server: the configuration has 2 problems\n  a: required\n  b (B): expected a number\n',
  );
  expect(configErrorExitCode).toBe(2);
});
