import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Secret } from '../src/secret.ts';
import { settingsOf } from '../src/settings.ts';
import { load, problemsOf, schema } from './schema.ts';
import { TempFolder } from './temp-file.ts';

describe('a Secret', () => {
  const value = new Secret('canary');

  test.each([
    ['a list', ['', value].join('')],
    ['String()', String(value)],
    ['concatenation', value + ''],
    ['JSON', JSON.stringify({ value })],
    ['inspect', inspect({ value }, { showHidden: true, depth: 9 })],
    ['its keys', JSON.stringify([Object.entries(value), Reflect.ownKeys(value)])],
    [
      'an error message',
      new Error('no', { cause: value }).message + inspect(new Error('', { cause: value })),
    ],
  ])('does not show in %s', (_where, shown) => expect(shown).not.toContain('canary'));

  test('gives its value when asked', () => expect(value.reveal()).toBe('canary'));
});

describe('secrets from the environment', () => {
  test('[AX-23] [A7-05] a credential that is in no file comes from its variable', () => {
    using folder = new TempFolder();
    const file = folder.write('c.yaml', 'database: { poolSize: 4 }\n');
    const { config, warnings } = load({ DATABASE_URL: 'postgres://u:pw@host/db' }, file);
    expect(config.database.url.reveal()).toBe('postgres://u:pw@host/db');
    expect(config.database.poolSize).toBe(4);
    expect(warnings).toEqual([]);
  });

  test('[AX-23] without the variable the program is told which to set', () => {
    expect(problemsOf({})).toEqual([
      'database.url: required; set DATABASE_URL or DATABASE_URL_FILE or the key in a configuration file',
    ]);
  });

  test('[AX-25] a secret is read from the file that its _FILE variable names, less its last line end', () => {
    using folder = new TempFolder();
    for (const [content, value] of [
      ['pw\n', 'pw'],
      ['pw\r\n', 'pw'],
      ['pw\n\n', 'pw\n'],
      [' pw', ' pw'],
    ] as const) {
      const { config, warnings } = load({ DATABASE_URL_FILE: folder.write('secret', content) });
      expect(config.database.url.reveal()).toBe(value);
      expect(warnings).toEqual([]);
    }
  });

  test('[AX-25] [BM-21] a secret from a file is told as the file holds it by now, and as it came while there is none', async () => {
    using folder = new TempFolder();
    const path = folder.write('secret', 'first\n');
    const { url } = load({ DATABASE_URL_FILE: path }).config.database;
    for (const [content, value] of [
      ['second\n', 'second'],
      ['\n', 'first'],
      [Buffer.from([0xff, 0xfe]), 'first'],
    ] as const) {
      folder.write('secret', content);
      expect(await url.current()).toBe(value);
    }
    rmSync(path);
    expect(await url.current()).toBe('first');
    execFileSync('sh', ['-c', 'mkfifo "$0"', path]);
    expect(await url.current()).toBe('first');
    expect(url.reveal()).toBe('first');
    expect(await load({ DATABASE_URL: 'third' }).config.database.url.current()).toBe('third');
  });

  test.each([
    ['missing', (folder: TempFolder) => folder.path('none'), 'does not exist'],
    ['a folder', (folder: TempFolder) => folder.path('.'), 'is a folder'],
    ['empty', (folder: TempFolder) => folder.write('empty', '\n'), 'is empty'],
    [
      'binary',
      (folder: TempFolder) => folder.write('binary', Buffer.from([0xff, 0xfe])),
      'is not UTF-8 text',
    ],
  ])('[AX-25] a secret file that is %s is refused', (_what, make, reason) => {
    using folder = new TempFolder();
    expect(problemsOf({ DATABASE_URL_FILE: make(folder) })).toEqual([
      `database.url (DATABASE_URL_FILE): the file that it names ${reason}`,
    ]);
  });

  test('[AX-25] a variable and its _FILE together are refused', () => {
    using folder = new TempFolder();
    const env = { DATABASE_URL: 'a', DATABASE_URL_FILE: folder.write('secret', 'b') };
    expect(problemsOf(env)).toEqual([
      'database.url: DATABASE_URL and DATABASE_URL_FILE are both set; keep one',
    ]);
  });
});

describe('secrets in the file', () => {
  test('[A7-06] ${VARIABLE} is put in, also amid other text, and is no plain-text secret', () => {
    using folder = new TempFolder();
    const file = folder.write(
      'c.yaml',
      'database: { url: "postgres://u:${DB_PASSWORD}@host/db" }\n',
    );
    const { config, warnings } = load({ DB_PASSWORD: 'a$b${c}' }, file);
    expect(config.database.url.reveal()).toBe('postgres://u:a$b${c}@host/db');
    expect(warnings).toEqual([]);
  });

  test('[A7-06] what is put in takes the type of the setting, and a SALLYPORT_ name is no typo there', () => {
    using folder = new TempFolder();
    const file = folder.write('c.yaml', 'operatorApi: { port: "${SALLYPORT_MY_PORT}" }\n');
    const { config } = load({ DATABASE_URL: 'x', SALLYPORT_MY_PORT: '9000' }, file);
    expect(config.operatorApi.port).toBe(9000);
  });

  test.each([{}, { DB_PASSWORD: '' }])(
    '[A7-06] a variable that is not set is refused: %j',
    (env) => {
      using folder = new TempFolder();
      const file = folder.write(
        'c.yaml',
        'database: { url: "postgres://u:${DB_PASSWORD}@host" }\n',
      );
      expect(problemsOf(env, file)).toEqual([
        `database.url (${file}): names DB_PASSWORD, which is not set; set it in the environment`,
      ]);
    },
  );

  test('[A7-06] $${ stands for ${, and a ${ that names nothing is refused', () => {
    using folder = new TempFolder();
    const env = { DATABASE_URL: 'x' };
    const escaped = folder.write('a.yaml', 'operatorApi: { host: "$${HOME}" }\n');
    expect(load(env, escaped).config.operatorApi.host).toBe('${HOME}');
    const broken = folder.write('b.yaml', 'operatorApi: { host: "${not a name}" }\n');
    expect(problemsOf(env, broken)).toEqual([
      `operatorApi.host (${broken}): has \${ without a variable name and }; write $\${ for a plain \${`,
    ]);
  });

  test('[AX-26] a plain-text secret is warned of by key, without its value', () => {
    using folder = new TempFolder();
    const file = folder.write(
      'c.yaml',
      'database: { url: canary-1 }\nproviders: [{ name: a, clientSecret: canary-2 }]\noperatorApi: { host: 127.0.0.2 }\n',
    );
    const { config, warnings } = load({}, file);
    expect(config.database.url.reveal()).toBe('canary-1');
    expect(warnings).toEqual([
      expect.stringMatching(/^database\.url \(.*c\.yaml\): a secret in plain text/),
      expect.stringMatching(/^providers\[0\]\.clientSecret \(.*c\.yaml\): a secret in plain text/),
    ]);
    expect(warnings.join()).not.toContain('canary');
  });

  test('[AX-26] it is warned of also when a variable beats it', () => {
    using folder = new TempFolder();
    const { config, warnings } = load(
      { DATABASE_URL: 'y' },
      folder.write('c.yaml', 'database: { url: x }\n'),
    );
    expect(config.database.url.reveal()).toBe('y');
    expect(warnings).toHaveLength(1);
  });
});

describe('files that others can get at', () => {
  const env = { DATABASE_URL: 'x' };

  test.each([
    [0o600, []],
    [0o640, []],
    [
      0o644,
      [
        expect.stringMatching(
          /^cookieKey \(SALLYPORT_COOKIE_KEY_FILE\): .*can be read by every user/,
        ),
      ],
    ],
    [0o602, [expect.stringContaining('can be changed by every user')]],
  ])('a secret file of mode %i', (mode, warnings) => {
    using folder = new TempFolder();
    const path = folder.write('secret', 'canary', mode);
    expect(load({ ...env, SALLYPORT_COOKIE_KEY_FILE: path }).warnings).toEqual(warnings);
  });

  test('a configuration file is warned of when others can change it, or read a secret in it', () => {
    using folder = new TempFolder();
    expect(load(env, folder.write('a.yaml', 'verbose: true\n', 0o644)).warnings).toEqual([]);
    expect(load(env, folder.write('b.yaml', 'verbose: true\n', 0o646)).warnings).toEqual([
      expect.stringMatching(/b\.yaml can be changed by every user/),
    ]);
    expect(load(env, folder.write('c.yaml', 'cookieKey: x\n', 0o644)).warnings).toContainEqual(
      expect.stringMatching(/c\.yaml holds a secret and can be read by every user/),
    );
  });
});

describe('no problem and no warning holds a value', () => {
  const keys = settingsOf(schema).filter(({ variable }) => variable !== undefined);
  const canary = fc.stringMatching(
    /^[a-z0-9 :@/{}[\]&*!|>'"%#-]{0,8}canary[a-z0-9 :@/{}[\]&*!|>'"%#-]{0,8}$/,
  );

  function complaints(env: Record<string, string>, file?: string): string {
    const problems = problemsOf(env, file);
    return (problems.length > 0 ? problems : load(env, file).warnings).join('\n');
  }

  test('for any text in any variable', () => {
    fc.assert(
      fc.property(fc.constantFrom(...keys), canary, ({ variable = '' }, text) => {
        expect(complaints({ [variable]: text })).not.toContain('canary');
      }),
    );
  });

  test('for any text with commas in braces', () => {
    using folder = new TempFolder();
    const text = fc.stringMatching(
      /^[a-z0-9 @/&*!|>'"%#,-]{0,8}canary[a-z0-9 @/&*!|>'"%#,:-]{0,8}$/,
    );
    fc.assert(
      fc.property(fc.constantFrom(...keys), text, ({ path }, bare) => {
        const inBraces = path.reduceRight((inner, name) => `{ ${name}: ${inner} }`, bare);
        expect(complaints({}, folder.write('c.yaml', inBraces))).not.toContain('canary');
      }),
    );
  });

  test('for any text after any key of the file, quoted or bare', () => {
    using folder = new TempFolder();
    fc.assert(
      fc.property(fc.constantFrom(...keys), canary, fc.boolean(), ({ path }, text, quoted) => {
        const lines = path.map((name, depth) => `${'  '.repeat(depth)}${name}:`).join('\n');
        const file = folder.write('c.yaml', `${lines} ${quoted ? JSON.stringify(text) : text}\n`);
        // A bare text may make a mapping, whose keys are named as unknown keys are.
        const told = complaints({}, file).replaceAll(/^.*: unknown key.*$/gm, '');
        expect(told).not.toContain('canary');
      }),
    );
  });
});
