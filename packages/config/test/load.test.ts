import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { secret } from '../src/fields.ts';
import { ConfigError, loadConfig } from '../src/load.ts';
import { load, problemsOf } from './schema.ts';
import { TempFolder } from './temp-file.ts';

const needed = { DATABASE_URL: 'postgres://from-env' };

describe('where a value comes from', () => {
  test('defaults fill in whatever nobody set', () => {
    const { config, warnings } = load(needed);
    expect(config).toMatchObject({
      database: { poolSize: 10 },
      operatorApi: { host: '127.0.0.1', port: 8443 },
      roles: ['api'],
      verbose: false,
      retries: 3,
      providers: [],
    });
    expect(config.telemetry).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  test('the file beats the defaults', () => {
    using folder = new TempFolder();
    const file = folder.write('c.yaml', 'operatorApi: { port: 9000 }\nlabels: { site: plant-7 }\n');
    const { config } = load(needed, file);
    expect(config.operatorApi).toEqual({ host: '127.0.0.1', port: 9000 });
    expect(config.labels).toEqual({ site: 'plant-7' });
  });

  test('[AX-24] the environment beats the file', () => {
    using folder = new TempFolder();
    const file = folder.write('c.yaml', 'operatorApi: { host: 10.0.0.1, port: 9000 }\n');
    const { config } = load({ ...needed, SALLYPORT_OPERATOR_API_PORT: '9001' }, file);
    expect(config.operatorApi).toEqual({ host: '10.0.0.1', port: 9001 });
  });

  test('an empty variable counts as unset, and a key with nothing after it too', () => {
    using folder = new TempFolder();
    const file = folder.write('c.yaml', 'operatorApi:\n  # port: 1\nverbose:\n');
    const { config } = load({ ...needed, SALLYPORT_OPERATOR_API_PORT: '' }, file);
    expect(config.operatorApi.port).toBe(8443);
    expect(problemsOf({ DATABASE_URL: '' })).toHaveLength(1);
  });

  test.each([
    ['SALLYPORT_VERBOSE', 'True', { verbose: true }],
    ['SALLYPORT_ROLES', 'api, worker', { roles: ['api', 'worker'] }],
    ['SALLYPORT_RETRIES', '7', { retries: 7 }],
    ['SALLYPORT_RETRIES', 'forever', { retries: 'forever' }],
    ['SALLYPORT_OPERATOR_API_HOST', '0', { operatorApi: { host: '0' } }],
  ])('%s=%s has the type that the schema asks for', (name, value, expected) => {
    expect(load({ ...needed, [name]: value }).config).toMatchObject(expected);
  });

  test.each([
    ['SALLYPORT_VERBOSE', 'yes', 'verbose (SALLYPORT_VERBOSE): expected true or false'],
    [
      'SALLYPORT_DATABASE_POOL_SIZE',
      '1e3',
      'database.poolSize (SALLYPORT_DATABASE_POOL_SIZE): expected a number',
    ],
    [
      'SALLYPORT_DATABASE_POOL_SIZE',
      '1.5',
      'database.poolSize (SALLYPORT_DATABASE_POOL_SIZE): expected a whole number',
    ],
    [
      'SALLYPORT_ROLES',
      'api,boss',
      'roles[1] (SALLYPORT_ROLES): invalid option: expected one of "api"|"worker"',
    ],
    ['SALLYPORT_RETRIES', 'often', 'retries (SALLYPORT_RETRIES): invalid input'],
  ])('%s=%s is refused', (name, value, problem) => {
    expect(problemsOf({ ...needed, [name]: value })).toEqual([problem]);
  });

  test('a section that is optional exists as soon as a variable sets a key of it', () => {
    const env = {
      ...needed,
      SALLYPORT_TELEMETRY_URL: 'https://t.test',
      SALLYPORT_TELEMETRY_TOKEN: 't',
    };
    expect(load(env).config.telemetry?.token.reveal()).toBe('t');
    expect(problemsOf({ ...needed, SALLYPORT_TELEMETRY_URL: 'https://t.test' })).toEqual([
      'telemetry.token: required; set SALLYPORT_TELEMETRY_TOKEN or SALLYPORT_TELEMETRY_TOKEN_FILE or the key in a configuration file',
    ]);
  });
});

describe('mistyped names', () => {
  test('an unknown key in the file is refused, at any depth, with the nearest known one', () => {
    using folder = new TempFolder();
    const file = folder.write('c.yaml', 'operatorApi: { prot: 1 }\nlogging: {}\n');
    expect(problemsOf(needed, file)).toEqual([
      `operatorApi.prot (${file}): unknown key; did you mean port?`,
      `logging (${file}): unknown key`,
    ]);
  });

  test('a key with a value on it, for want of a space, is told by its section and line alone', () => {
    using folder = new TempFolder();
    const file = folder.write(
      'c.yaml',
      'operatorApi:\n  ? port:s3cr3t\nproviders:\n  - { name: a, "clientSecret:s3cr3t": "" }\n',
    );
    expect(problemsOf(needed, file)).toEqual([
      `a key of operatorApi on line 2 (${file}): unknown key`,
      `a key of providers[0] on line 4 (${file}): unknown key`,
      `providers[0].clientSecret: required; set the key in ${file}`,
    ]);
  });

  test.each([
    ['operatorApi: { port:s3cr3t }', 'line 1, column 16'],
    ['labels: { password:s3cr3t }', 'line 1, column 11'],
    ['cookieKey: x\nproviders:\n  - { name: a, clientSecret:s3cr3t }', 'line 3, column 16'],
    ['telemetry: { url: "https://t.test", token: correct,s3cr3t }', 'line 1, column 52'],
    ['telemetry: { token: correct, s3cr3t, url: "https://t.test" }', 'line 1, column 30'],
    ['labels: { site: correct,\n  s3cr3t }', 'line 2, column 3'],
    ['{ "s3cr3t" }', 'line 1, column 3'],
  ])('what has no colon in the braces of %j is told by its place alone', (text, place) => {
    using folder = new TempFolder();
    const file = folder.write('c.yaml', text);
    expect(problemsOf(needed, file)).toEqual([
      `${file}, ${place}: a key without a colon; in { } a colon needs a space after it, and a value with a comma quotes around it`,
    ]);
  });

  test.each([
    ['labels: { site: "plant,7" }', { labels: { site: 'plant,7' } }],
    ['labels:\n  site: plant,7', { labels: { site: 'plant,7' } }],
    [
      '{ verbose: , labels: {"site":"plant","line":"7",} }',
      { labels: { site: 'plant', line: '7' } },
    ],
    ['roles: [api,worker]\n? verbose', { roles: ['api', 'worker'], verbose: false }],
  ])('commas like those of %j are as they should be', (text, expected) => {
    using folder = new TempFolder();
    expect(load(needed, folder.write('c.yaml', text)).config).toMatchObject(expected);
  });

  test('an unknown SALLYPORT_ variable is refused with the nearest known one', () => {
    expect(problemsOf({ ...needed, SALLYPORT_OPERATR_API_PORT: '1' })).toEqual([
      'SALLYPORT_OPERATR_API_PORT: unknown variable; did you mean SALLYPORT_OPERATOR_API_PORT?',
    ]);
    expect(problemsOf({ ...needed, SALLYPORT_VERBOSE_FILE: '/x' })).toHaveLength(1);
  });

  test('other variables, and those that the program reads elsewhere, are none of its business', () => {
    const env = { ...needed, PATH: '/bin', SALLYPORT_CONFIG: 'x' };
    const options = { env, programName: 'test' };
    const only = z.strictObject({
      database: z.strictObject({ url: secret().meta({ env: 'DATABASE_URL' }) }),
    });
    expect(() => loadConfig(only, options)).toThrow(ConfigError);
    expect(() =>
      loadConfig(only, { ...options, otherVariables: ['SALLYPORT_CONFIG'] }),
    ).not.toThrow();
    expect(() =>
      loadConfig(only, { ...options, otherVariables: ['SALLYPORT_CON*'] }),
    ).not.toThrow();
    expect(() => loadConfig(only, { ...options, otherVariables: ['SALLYPORT_CON'] })).toThrow(
      'SALLYPORT_CONFIG: unknown variable',
    );
  });

  test('what Kubernetes sets for a Service named like a setting is passed over', () => {
    const { config } = load({
      ...needed,
      SALLYPORT_OPERATOR_API_PORT: 'tcp://10.0.0.1:8443',
      SALLYPORT_OPERATOR_API_PORT_8443_TCP_ADDR: '10.0.0.1',
      SALLYPORT_OPERATOR_API_SERVICE_HOST: '10.0.0.1',
      SALLYPORT_OPERATOR_API_SERVICE_PORT_HTTPS: '8443',
    });
    expect(config.operatorApi.port).toBe(8443);
  });

  test('two settings with one variable are a mistake of the program', () => {
    const twice = z.strictObject({
      a: secret().meta({ env: 'A' }),
      b: z.string().meta({ env: 'A_FILE' }),
    });
    expect(() => loadConfig(twice, { env: {}, programName: 'test' })).toThrow(/A_FILE/);
  });
});

describe('problems', () => {
  test('all of them are told at once, each with its key and its source', () => {
    using folder = new TempFolder();
    const file = folder.write(
      'c.yaml',
      'operatorApi: { port: 70000 }\nverbose: maybe\nnope: 1\nproviders: [{ name: a }]\ncookieKey: 12\n',
    );
    expect(problemsOf({ SALLYPORT_ROLES: 'boss', SALLYPORT_NOPE: '1' }, file)).toEqual([
      `nope (${file}): unknown key`,
      'SALLYPORT_NOPE: unknown variable',
      `database.url: required; set DATABASE_URL or DATABASE_URL_FILE or the key in ${file}`,
      `operatorApi.port (${file}): too big: expected number to be <=65535`,
      `cookieKey (${file}): expected text, in quotes where YAML would read a number or true`,
      'roles[0] (SALLYPORT_ROLES): invalid option: expected one of "api"|"worker"',
      `verbose (${file}): expected true or false`,
      `providers[0].clientSecret: required; set the key in ${file}`,
    ]);
  });

  test('a default that a check refuses beside what was given is told in the words of the check', () => {
    const limits = z
      .strictObject({ least: z.int().default(5), most: z.int().default(9) })
      .refine(({ least, most }) => least <= most, { path: ['least'], message: 'Is above most' });
    const given = z.strictObject({ limits: limits.prefault({}) });
    const loading = () =>
      loadConfig(given, { env: { SALLYPORT_LIMITS_MOST: '1' }, programName: 'test' });
    expect(loading).toThrow('test cannot use its configuration: limits.least: is above most');
  });

  test('a section that is none is one problem', () => {
    using folder = new TempFolder();
    const file = folder.write('c.yaml', 'operatorApi: 5\n');
    expect(problemsOf(needed, file)).toEqual([`operatorApi (${file}): expected keys and values`]);
  });

  test.each([
    ['a: [1', 'BAD_'],
    ['verbose: true\nverbose: false', 'DUPLICATE_KEY'],
    ['verbose: 1\n"verbose": 2', 'line 2, column 1: not valid YAML (DUPLICATE_KEY)'],
    ['labels: { 1: a, "1": b }', 'line 1, column 17: not valid YAML (DUPLICATE_KEY)'],
    ['? [a]\n: b', 'NON_STRING_KEY'],
    ['labels: { __proto__: a }', 'line 1, column 11: __proto__ cannot be a key'],
    ['verbose: true\n---\nverbose: false', 'MULTIPLE_DOCS'],
    ['verbose: *nowhere', 'an alias names no anchor'],
    ['verbose: !!js/function x', 'TAG_RESOLVE_FAILED'],
    ['- a\n- b', 'expected keys and values'],
    ['just text', 'expected keys and values'],
  ])('YAML like %j is refused by line, without a quotation', (text, reason) => {
    using folder = new TempFolder();
    const [problem] = problemsOf(needed, folder.write('c.yaml', `${text}\n`));
    expect(problem).toContain('c.yaml');
    expect(problem).toContain(reason);
  });

  test('twenty thousand keys are looked through in a moment', () => {
    using folder = new TempFolder();
    const keys = Array.from({ length: 20_000 }, (_, index) => `  k${index}: v\n`).join('');
    const file = folder.write('c.yaml', `labels:\n${keys}`);
    const { user } = process.cpuUsage();
    expect(problemsOf(needed, file)).toEqual([]);
    expect(process.cpuUsage().user - user).toBeLessThan(3_000_000);
  });

  test('a configuration file that is not there is refused', () => {
    using folder = new TempFolder();
    const file = folder.path('none.yaml');
    expect(problemsOf(needed, file)).toEqual([`the configuration file ${file} does not exist`]);
  });

  test('a rule over the whole configuration is told as such', () => {
    const ruled = z
      .strictObject({ a: z.int().default(1) })
      .refine(() => false, 'a and b exclude each other');
    expect(() => loadConfig(ruled, { env: {}, programName: 'test' })).toThrow(
      'test cannot use its configuration: the configuration: a and b exclude each other',
    );
  });
});
