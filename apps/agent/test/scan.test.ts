import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { resourceName } from '@sallyport/contract';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { z } from 'zod';
import { textFiles } from '../src/scan/text-files.ts';
import { runAgent } from './run-agent.ts';

const report = z.object({
  files: z.int(),
  findings: z.array(
    z.object({
      file: z.string(),
      line: z.int(),
      column: z.int(),
      rule: z.string(),
      key: z.string().optional(),
      name: z.string(),
      store: z.string(),
      use: z.string(),
    }),
  ),
  passedOver: z.array(z.string()),
});

let tree: TempDirectory;
beforeEach(async () => {
  tree = await createTempDirectory('tree');
});
afterEach(() => tree.remove());

async function write(name: string, text: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(tree.path, name)), { recursive: true });
  await writeFile(join(tree.path, name), text);
}
async function scan(): Promise<z.infer<typeof report> & { code: number; text: string }> {
  const { code, stdout } = await runAgent(['scan', tree.path, '--app', 'shop', '--json']);
  return { code, text: stdout, ...report.parse(JSON.parse(stdout)) };
}

describe('[SG-21] scan', () => {
  test.each([
    ['.env', 'DB_PASSWORD=correct-horse\n', 'DB_PASSWORD', 'shop/db-password'],
    ['app.yaml', 'db:\n  password: "correct-horse"\n', 'password', 'shop/password'],
    ['app.json', '{"apiKey": "correct-horse"}', 'apiKey', 'shop/api-key'],
    ['app.ini', '[db]\npassword = correct-horse ; of the database\n', 'password', 'shop/password'],
    ['app.py', "client_secret = 'correct-horse'\n", 'client_secret', 'shop/client-secret'],
    ['pom.xml', '<password>correct-horse</password>', 'password', 'shop/password'],
    [
      'a.liquid',
      '{{ "a" | secret: "b" }}{% assign password = "correct-horse" %}',
      'password',
      'shop/password',
    ],
    ['b.liquid', '{{ "a" | secret: "b" }} password: "correct-horse"', 'password', 'shop/password'],
    ['c.md', '{{ a | password: "b" }} | password: "correct-horse"', 'password', 'shop/password'],
    ['run.sh', 'export SMTP_PASSWD=correct-horse', 'SMTP_PASSWD', 'shop/smtp-passwd'],
    // With spaces, which are of the value.
    ['.env.local', 'DB_PASSWORD=correct-horse battery\n', 'DB_PASSWORD', 'shop/db-password'],
    ['prod.env', 'export API_KEY=the-1 correct-horse #2 b # of x\n', 'API_KEY', 'shop/api-key'],
    ['m.yml', 'db:\n  - password: my2 correct-horse  \n', 'password', 'shop/password'],
    ['n.ini', 'password = correct-horse battery ; of it\n', 'password', 'shop/password'],
    ['o.properties', 'a.token1=correct-horse staple\r\n', 'a.token1', 'shop/a-token1'],
    // What looks like the beginning of a template's tag is none.
    ['d.sh', `printf '{%s}' x | PGPASSWORD='correct-horse' psql`, 'PGPASSWORD', 'shop/pgpassword'],
    [
      'e.yaml',
      'log: "{%Y-%m-%d}"\nstringData: |\n  password: correct-horse\n',
      'password',
      'shop/password',
    ],
    ['f.txt', '{{ open | password: "correct-horse"\n', 'password', 'shop/password'],
    // Nor is a pipe the beginning of a filter that no argument follows, or that is on another line.
    [
      'g.yaml',
      `a: '{{'\nstringData: |\n  password: "correct-horse"\nb: '}}'\n`,
      'password',
      'shop/password',
    ],
    [
      'h.sh',
      `helm template . | grep '{{' | API_TOKEN="correct-horse" deploy | grep '}}'`,
      'API_TOKEN',
      'shop/api-token',
    ],
    ['i.sh', `echo '{{' ; docker ps | TOKEN="correct-horse" sh ; echo '}}'`, 'TOKEN', 'shop/token'],
    ['j.js', 'let s = `{{`; x |\npassword = "correct-horse"; // }}', 'password', 'shop/password'],
    ['k.go', 's := "{{"; x | token := "correct-horse" // }}', 'token', 'shop/token'],
    ['l.rb', 's = "{{"; x | token => "correct-horse" # }}', 'token', 'shop/token'],
  ])(
    'finds what is assigned in %s, proposes a name, and does not tell it',
    async (file, text, key, name) => {
      await write(file, text);
      const { code, findings, text: told } = await scan();
      expect({ code, findings }).toMatchObject({ code: 11, findings: [{ file, key, name }] });
      expect(told).not.toContain('correct-horse');
    },
  );

  test.each([
    ['package-lock.json', '{"node_modules/token": {}, "js-tokens": "^9.0.0-beta"}'],
    ['web/pnpm-lock.yaml', '      js-tokens: 9.0.0-beta\n      pg-connection-string: 2.9.1\n'],
    ['Cargo.lock', 'secret-key = "rust-9.0.0"\nchecksum = "3f1c"\n'],
    ['go.sum', 'example.com/password v1.2.0 h1:x\npassword=h1:3f1c9a2b7d\n'],
    [
      'types.ts',
      'type A = {\n  password: string;\n  secret: boolean;\n  token: newToken;\n};\n' +
        'function f(\n  password: string,\n  secret: Uint8Array,\n  apiKey: CryptoKey,\n) {}\n' +
        "export type TokenKind = 'agent' | 'enroll';\n",
    ],
    ['types.py', 'class A:\n    password: str\n    secret: SecretStr\n    token: bytes\n'],
    ['types.rs', 'struct A {\n    password: String,\n    api_key: keys.ApiKey,\n}\n'],
  ])('takes no package and no type for a secret in %s', async (file, text) => {
    await write(file, text);
    expect(await scan()).toMatchObject({ code: 0, files: 1, findings: [] });
  });

  test.each([
    ['a.ts', "const config = {\n  password: 'correct-horse',\n};", 'password', 2],
    ['b.ts', "  const token = 'correct-horse';\n", 'token', 1],
    ['c.ts', 'const env = `\nDB_PASSWORD=correct-horse\n`;', 'DB_PASSWORD', 2],
    ['d.ts', 'const yaml = `\npassword: hunter2hunter2\n`;', 'password', 2],
    ['e.py', 'password: correct-horse,\n', 'password', 1],
    ['f.yaml', 'password: Hunter,\n', 'password', 1],
    ['Cargo.lock.bak', 'secret = "correct-horse"\n', 'secret', 1],
  ])('finds a secret beside types and packages in %s', async (file, text, key, line) => {
    await write(file, text);
    expect((await scan()).findings).toMatchObject([{ file, key, line }]);
  });

  test('takes words for a secret in no text but settings', async () => {
    for (const name of ['a.md', 'b.ts', 'c.sh']) await write(name, 'PASSWORD=correct horse\n');
    expect(await scan()).toMatchObject({ code: 0, files: 3, findings: [] });
  });

  test('finds keys by their form in a lock file, too', async () => {
    await write('yarn.lock', '  resolved "https://shop:correct-horse@npm.test/a.tgz"\n');
    const { code, text } = await scan();
    expect(code).toBe(11);
    expect(text).not.toContain('correct-horse');
  });

  test('finds keys by their form, whatever they are assigned to', async () => {
    const token = `ghp_${'wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx'}`;
    await write('notes.txt', `see postgres://shop:correct-horse@db.test/shop\nor ${token}\n`);
    await write(
      'key.pem',
      `-----BEGIN RSA PRIVATE KEY-----\n${'MIIEpAIBAAKCAQEA'.repeat(8)}\n-----END RSA PRIVATE KEY-----\n`,
    );
    const { findings, text } = await scan();
    expect(findings.map(({ file, line, rule }) => `${file}:${line} ${rule}`)).toEqual([
      'key.pem:1 privatekey',
      'notes.txt:1 database-connection-string',
      'notes.txt:2 github',
    ]);
    for (const value of ['correct-horse', token, 'MIIEpAIBAAKCAQEA'])
      expect(text).not.toContain(value);
  });

  test('proposes a name for one value alone, and the same name for the same value', async () => {
    await write('a.conf', 'password="hunter2hunter2"\n');
    await write('b.js', 'password="correct-horse-battery"\npassword = "hunter2hunter2"\n');
    await write('c.yaml', 'password: correct-horse-battery\npassword_2: staple-staple\n');
    await write('d.yaml', `password: ${'third-one-'.repeat(3)}\n`);
    const { findings, text } = await scan();
    expect(findings.map(({ file, line, name }) => `${file}:${line} ${name}`)).toEqual([
      'a.conf:1 shop/password',
      'b.js:1 shop/password-2',
      'b.js:2 shop/password',
      'c.yaml:1 shop/password-2',
      'c.yaml:2 shop/password-2-2',
      'd.yaml:1 shop/password-3',
    ]);
    for (const { name, store, use } of findings)
      expect({ store, use }).toEqual({
        store: `sallyport secret set --group <group> ${name}`,
        use: `{{ "${name}" | secret }} in a template of sallyport-agent render`,
      });
    expect(text).not.toMatch(/hunter2|correct-horse|staple|third-one/);
  });

  test('numbers kinds that are known by their form, and names that are as long as can be', async () => {
    const tokens = ['wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx', 'wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUy'];
    await write('notes.txt', tokens.map((token) => `ghp_${token}\n`).join('or '));
    const key = `password${'x'.repeat(50)}`;
    await write('x.conf', `${key}="hunter2hunter2"\n${key}="correct-horse"\n`);
    const args = ['scan', tree.path, '--json', '--app'];
    const { stdout } = await runAgent([...args, 's'.repeat(127 - key.length)]);
    const names = report.parse(JSON.parse(stdout)).findings.map(({ name }) => name);
    expect(new Set(names).size).toBe(4);
    for (const name of names) expect(resourceName.safeParse(name).success).toBe(true);
  });

  test.each([
    ['a reference of the environment', 'password: ${DB_PASSWORD}'],
    ['a template', 'password = {{ "db/password" | secret }}'],
    ['a filter of a template', 'user = {{ "db/login" | secret: "user" }}'],
    ['one with a space behind its name', '{{ "db/login" | secret : "user" }}'],
    ['one of several lines', '{%- assign user = "db/login"\n  | secret: "user" -%}'],
    ['a reference of ours', 'password: secret:db/password'],
    ['a call', 'const token = readToken(path)'],
    ['a member', 'password = process.env.DB_PASSWORD'],
    ['a type', 'password: string'],
    ['a placeholder', 'password: <your password>'],
    ['a file', 'password_file: /run/secrets/db'],
    ['nothing', 'password='],
    ['a name that holds no secret', 'passenger: correct-horse'],
    ['a sentence', 'password: read from vault'],
    ['a label', 'reset_password: Passwort vergessen'],
    ['words about a secret', 'api_token=GitHub token'],
    ['what is to be known of one', 'password_policy = twelve characters'],
    ['where accounts are', 'passwd:         files systemd'],
    ['a mapping within a line', 'token: kind: bearer'],
    ['several references', 'DB_PASSWORD=${A} ${B}'],
  ])('takes %s for no secret', async (_, text) => {
    await write('app.conf', `${text}\n`);
    expect(await scan()).toMatchObject({ code: 0, files: 1, findings: [] });
  });

  test('reads texts alone: no binary, nothing of git or of packages, and follows no link', async () => {
    await write('binary', Buffer.from('password: "correct-horse"\0'));
    await write('.git/config', 'password = correct-horse');
    await write('node_modules/a/app.env', 'PASSWORD=correct-horse');
    await symlink('/etc', join(tree.path, 'link'));
    await write('large.env', `PASSWORD=correct-horse\n${' '.repeat(1024 * 1024)}`);
    expect(await scan()).toMatchObject({ files: 0, findings: [], passedOver: ['large.env'] });
  });

  test('says in words where it is, what to call it and how a program gets it then', async () => {
    await write('.env', 'DB_PASSWORD=correct-horse\n');
    const { code, stdout } = await runAgent(['scan', tree.path, '--app', 'shop']);
    expect(code).toBe(11);
    expect(stdout).toContain('.env:1:1  assignment (DB_PASSWORD)');
    expect(stdout).toContain('sallyport secret set --group <group> shop/db-password');
    expect(stdout).toContain('exec --env DB_PASSWORD=secret:shop/db-password --');
    expect(stdout).not.toContain('correct-horse');
  });

  test('of what is not there says so, by its path', async () => {
    const path = join(tree.path, 'nowhere');
    expect(await runAgent(['scan', path])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`cannot be read (ENOENT): ${path}`),
    });
  });

  test('goes on where a file or a folder is removed meanwhile', async () => {
    for (const path of ['a', 'b', 'c/d', 'e']) await write(path, 'text');
    const found: string[] = [];
    for await (const { path } of textFiles(tree.path)) {
      found.push(path);
      await Promise.all(
        ['b', 'c'].map((name) => rm(join(tree.path, name), { recursive: true, force: true })),
      );
    }
    expect(found).toEqual(['a', 'e'].map((name) => join(tree.path, name)));
  });

  test('ends on a text made to keep it busy', async () => {
    await write('hostile.txt', `password=${'a='.repeat(200_000)}\n${'password'.repeat(50_000)}`);
    await write('hostile.env', `password=${'a '.repeat(200_000)}\n`.repeat(2));
    await write('more.env', `password=a${' '.repeat(300_000)}\n${'password '.repeat(50_000)}`);
    const tag = `{{${' | password: "correct-horse"'.repeat(18)}}}`;
    await write('tags.liquid', tag.repeat(2_000));
    await write('open.liquid', `{{${' | password: "correct-horse"'.repeat(35_000)}`);
    const startedAt = performance.now();
    await scan();
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });
});
