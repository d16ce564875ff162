import { describe, expect, test } from '@jest/globals';
import { problemsOf } from './schema.ts';
import { TempFolder } from './temp-file.ts';

const needed = { DATABASE_URL: 'postgres://db/sallyport' };

describe('a key in braces', () => {
  test.each([
    [
      'telemetry: { url: "https://t.test", token: correct,s3cr3t: yes }',
      'a key of telemetry on line 1 (@): unknown key',
    ],
    ['{ cookieKey: correct,\n s3cr3t: yes }', 'a key on line 2 (@): unknown key'],
    [
      'cookieKey: x\noperatorApi: { host: correct,s3cr3t: 1, "port": 8443,c4n4ry: 2 }',
      'a key of operatorApi on line 2 (@): unknown key',
      'a key of operatorApi on line 2 (@): unknown key',
    ],
    [
      'labels: { site: correct,s3cr3t: { a: b } }',
      'a key of labels on line 1 (@): expected text, in quotes where YAML would read a number or true',
    ],
    [
      'providers: [correct,s3cr3t: yes]',
      'providers[0] (@): expected keys and values',
      'a key of providers[1] on line 1 (@): unknown key',
      'providers[1].name: required; set the key in @',
      'providers[1].clientSecret: required; set the key in @',
    ],
    [
      'operatorApi: &a { host: correct,s3cr3t: 1 }\ntelemetry: *a',
      'a key of operatorApi on line 1 (@): unknown key',
      'telemetry.host (@): unknown key',
      'a key of telemetry on line 1 (@): unknown key',
      'telemetry.url: required; set SALLYPORT_TELEMETRY_URL or the key in @',
      'telemetry.token: required; set SALLYPORT_TELEMETRY_TOKEN or SALLYPORT_TELEMETRY_TOKEN_FILE or the key in @',
    ],
  ])(
    'that a comma may have cut off a value, as in %j, is told by its line alone',
    (text, ...told) => {
      using folder = new TempFolder();
      const file = folder.write('c.yaml', text);
      expect(problemsOf(needed, file)).toEqual(told.map((each) => each.replaceAll('@', file)));
    },
  );

  test('that no value without quotes stands before is told by its name', () => {
    using folder = new TempFolder();
    const file = folder.write('c.yaml', 'operatorApi: { "host": "a,b", prot: 1 }\nlogging: 1\n');
    expect(problemsOf(needed, file)).toEqual([
      `operatorApi.prot (${file}): unknown key; did you mean port?`,
      `logging (${file}): unknown key`,
    ]);
  });
});
