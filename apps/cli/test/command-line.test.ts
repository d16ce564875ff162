import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import type { Command } from 'commander';
import { readEnvironment } from '../src/environment.ts';
import { Output } from '../src/output.ts';
import { createProgram, leavesOf } from '../src/program.ts';
import { SessionFile } from '../src/session-file.ts';
import { KeptText } from './kept-text.ts';
import { runCli } from './run-cli.ts';

/** Everything that may carry a value on the command line. None of them is a secret; a new one is a decision. */
const OPTIONS_WITH_A_VALUE = [
  '--action',
  '--actor',
  '--address',
  '--agent',
  '--agent-methods',
  '--api-key-file',
  '--before',
  '--ca-file',
  '--certificate-identity',
  '--chain',
  '--checkpoint',
  '--cidr',
  '--clones',
  '--code',
  '--code-file',
  '--current-file',
  '--days',
  '--expires',
  '--expires-within-days',
  '--file',
  '--fingerprint',
  '--from',
  '--group',
  '--key',
  '--lease',
  '--lease-max',
  '--lease-uses',
  '--lease-window',
  '--limit',
  '--name',
  '--new-file',
  '--offline',
  '--outcome',
  '--output',
  '--overlap',
  '--password-file',
  '--pkcs12',
  '--reference',
  '--request',
  '--role',
  '--since',
  '--state',
  '--subject',
  '--timeout',
  '--to',
  '--type',
  '--until',
  '--url',
  '--uses',
  '--version',
];
const ARGUMENTS = ['agent', 'file', 'id', 'name', 'operator', 'role', 'shell'];

function program(): Command {
  const terminal = {
    stdin: process.stdin,
    stdout: new KeptText(),
    stderr: new KeptText(),
    stdinIsTty: false,
    stdoutIsTty: false,
  };
  return createProgram({
    terminal,
    environment: readEnvironment({}),
    output: new Output(terminal),
    sessions: new SessionFile('/nowhere'),
    clock: { now: Date.now, sleep: async () => {} },
  });
}

const leaves = leavesOf(program());
const nameOf = (command: Command): string =>
  command.parent?.parent == null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;

describe('the command line', () => {
  test('never carries a secret: no option or argument takes one', () => {
    const options = leaves.flatMap((leaf) =>
      leaf.options.filter((option) => option.required || option.optional),
    );
    expect([...new Set(options.map((option) => option.long))].toSorted()).toEqual(
      OPTIONS_WITH_A_VALUE,
    );
    const operands = leaves.flatMap((leaf) =>
      leaf.registeredArguments.map((argument) => argument.name()),
    );
    expect([...new Set(operands)].toSorted()).toEqual(ARGUMENTS);
  });

  test.each(leaves.map((leaf) => [nameOf(leaf), leaf] as const))(
    '%s takes --json and describes itself',
    (_, leaf) => {
      expect(leaf.options.map((option) => option.long)).toContain('--json');
      expect(leaf.description()).not.toBe('');
    },
  );
});

describe('a command line that is wrong', () => {
  let temp: TempDirectory;
  beforeAll(async () => {
    temp = await createTempDirectory();
  });
  afterAll(() => temp.remove());
  const cli = (...args: string[]) => runCli(args, { directory: join(temp.path, 'config') });
  const id = '01890a5d-ac96-774b-bcce-b302099a8057';

  test.each([
    ['an unknown command', ['frobnicate'], 'unknown command; see sallyport --help'],
    ['one below another', ['keyring', 'list'], 'unknown command; see sallyport keyring --help'],
    ['an unknown option', ['group', 'list', '--frobnicate'], '--frobnicate'],
    [
      'an option misspelt that has to be there',
      ['token', 'create', '--grup', 'demo'],
      "unknown option '--grup'; did you mean --group?",
    ],
    ['no group', ['secret', 'list'], "'--group <group>' not specified"],
    ['no name', ['group', 'create'], "missing required argument 'name'"],
    ['a malformed group', ['secret', 'list', '--group', 'Plant'], '--group: use 1 to 63'],
    ['a malformed name', ['secret', 'reveal', '../x', '--group', 'a'], '<name>: use letters'],
    [
      'a name for an id',
      ['agent', 'revoke', 'host-1'],
      '<id>: give the id that `sallyport agent list` shows',
    ],
    [
      'a name for an id in an option',
      ['bundle', 'export', '--agent', 'host-1', '--output', 'x'],
      '--agent: give the id that `sallyport agent list` shows',
    ],
    ['a malformed id', ['api-key', 'show', 'x'], '<id>: give the id that its list shows'],
    [
      'too many days',
      ['bundle', 'export', '--agent', id, '--output', 'x', '--days', '400'],
      '--days: use 1 to 365',
    ],
    [
      'a lease without a unit',
      ['secret', 'set', 'x', '--group', 'a', '--lease', '5'],
      '--lease: use a duration such as',
    ],
    [
      'too long a lease',
      ['secret', 'set', 'x', '--group', 'a', '--lease', '2d'],
      '--lease: use 5s to 1d',
    ],
    [
      'too many uses of a lease',
      ['secret', 'set', 'x', '--group', 'a', '--lease', '5m', '--lease-uses', '9999999'],
      '--lease-uses: use 1 to 1000000',
    ],
    [
      'uses of a lease that are no number',
      ['secret', 'set', 'x', '--group', 'a', '--lease', '5m', '--lease-uses', 'many'],
      '--lease-uses: use a whole number, or any',
    ],
    [
      'a lease and none',
      ['secret', 'set', 'x', '--group', 'a', '--lease', '5m', '--no-lease'],
      'give --lease or --no-lease, not both',
    ],
    [
      'no lease and one',
      ['secret', 'set', 'x', '--group', 'a', '--no-lease', '--lease', '5m'],
      'give --lease or --no-lease, not both',
    ],
    [
      'a value and a reference',
      ['secret', 'set', 'x', '--group', 'a', '--file', '-', '--reference', 'env://X'],
      'give --file or --reference, not both',
    ],
    [
      'a password and an API key',
      ['login', '--url', 'https://a', '--password-file', '-', '--api-key-file', '-'],
      'give --api-key-file, or --password-file and --code-file, not both',
    ],
    [
      'no shell that is known',
      ['completion', 'canary'],
      'sallyport: use one of bash, zsh, fish (usage',
    ],
    ['no time', ['audit', 'list', '--since', 'today'], '--since: use a time such as 2030-01-31T'],
    ['no uses', ['token', 'create', '--group', 'a', '--uses', '0'], '--uses: use 1 to'],
    [
      'uses that are no number',
      ['token', 'create', '--group', 'a', '--uses', 'many'],
      '--uses: use a whole number',
    ],
    [
      'a life without a unit',
      ['token', 'create', '--group', 'a', '--expires', '60'],
      '--expires: use a duration',
    ],
    [
      'a life over the limit',
      ['token', 'create', '--group', 'a', '--expires', '31d'],
      '--expires: use 1s to 30d',
    ],
    ['no network', ['token', 'create', '--group', 'a', '--cidr', '10.0.0.0'], '--cidr: use CIDR'],
    [
      'no policy',
      ['secret', 'set', 'x', '--group', 'a', '--offline', 'maybe'],
      '--offline: use allow or deny',
    ],
    [
      'a file that is not absolute',
      ['secret', 'set', 'x', '--group', 'a', '--reference', 'file://foo'],
      '--reference: use vault://<mount>/<path>, ',
    ],
    [
      'a malformed operator',
      ['login', '--url', 'https://a', '--name', 'No One'],
      '--name: use 1 to 64',
    ],
    [
      'a wait without a unit',
      ['agent', 'diagnose', id, '--timeout', '5'],
      '--timeout: use a duration',
    ],
  ])('with %s exits 2 and says what is expected', async (_, args, expected) => {
    const { code, stdout, stderr } = await cli(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^sallyport: .*\(usage\.invalid\)\n$/);
    expect(stderr).toContain(expected);
  });

  test.each([
    ['after the name', ['secret', 'set', '--group', 'a', 'db/password', 'canary']],
    [
      'in an option that does not exist',
      ['secret', 'set', '--group', 'a', 'db/password', '--value=canary'],
    ],
    ['after a letter', ['secret', 'set', '--group', 'a', 'db/password', '-vcanary']],
    ['with a quote', ['secret', 'set', '--group', 'a', 'db/password', "--value=it's-canary"]],
    ['without a =', ['secret', 'set', '--group', 'a', 'db/password', '--value_canary']],
    ['in the place of a command', ['secret', 'canary']],
    ['as a password', ['login', '--url', 'https://a', '--password=canary']],
  ])('with a secret %s is refused, and the secret is not repeated', async (_, args) => {
    for (const json of [[], ['--json']]) {
      const { code, stdout, stderr } = await cli(...args, ...json);
      expect(code).toBe(2);
      expect(stdout + stderr).not.toContain('canary');
    }
  });

  test.each([
    ['--password-file', ['login', '--url', 'https://a', '--password-file', 'canary']],
    ['--api-key-file', ['login', '--url', 'https://a', '--api-key-file', 'sp_key_canary']],
    ['--ca-file', ['login', '--url', 'https://a', '--ca-file', 'canary']],
  ])(
    'with a secret in the place of the file of %s names the option alone',
    async (option, args) => {
      for (const json of [[], ['--json']]) {
        const { stdout, stderr } = await cli(...args, ...json);
        expect(stderr).toContain(`the file of ${option} cannot be read`);
        expect(stdout + stderr).not.toContain('canary');
      }
    },
  );

  test('with --json is refused in JSON, on standard error', async () => {
    const { code, stdout, stderr } = await cli('secret', 'list', '--json');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(JSON.parse(stderr)).toEqual({
      error: { code: 'usage.invalid', message: expect.stringContaining('--group') },
    });
  });

  test('by being empty shows the help and exits 2; asking for help exits 0', async () => {
    expect(await cli()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Usage: sallyport'),
    });
    expect(await cli('secret')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Usage: sallyport secret'),
    });
    expect(await cli('--help')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Usage: sallyport'),
    });
    expect(await cli('--version')).toMatchObject({ code: 0, stdout: '0.1.0\n' });
  });
});
