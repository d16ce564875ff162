import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { formatToken, mintToken } from '@sallyport/crypto/token';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { runAgent } from './run-agent.ts';

const token = formatToken(mintToken('enroll', randomUUID()));
let home: TempDirectory;
beforeAll(async () => {
  home = await createTempDirectory('command-line');
});
afterAll(() => home.remove());

describe('a command line that is wrong', () => {
  test.each([
    [
      'an unknown command',
      ['lst'],
      /unknown command \(Did you mean list\?\); see sallyport-agent --help/,
    ],
    ['an unknown option', ['get', 'x', '--fast'], /unknown option '--fast'/],
    [
      'an option that was not typed to its end',
      ['enroll', '--token', 'x'],
      /unknown option '--token'; did you mean --token-file\?/,
    ],
    ['a missing argument', ['get'], /missing required argument 'name'/],
    ['an unknown key in the configuration', ['list', '--config', 'CONFIG'], /sockets/],
    ['an empty socket', ['get', 'x', '--socket', ''], /--socket is empty — give it a path/],
    ['an empty state directory', ['doctor', '--state-dir='], /--state-dir is empty/],
    ['an empty configuration file', ['list', '--config='], /--config is empty/],
    [
      'a missing bundle',
      ['bundle', 'import', '/no/edge.bundle'],
      /\/no\/edge\.bundle cannot be read/,
    ],
    ['a missing configuration file', ['list', '--config', '/no/file.yaml'], /\/no\/file\.yaml/],
  ])('because of %s exits 2 and names it', async (_, args, message) => {
    const config = join(home.path, 'agent.yaml');
    await writeFile(config, 'sockets: /tmp/x\n');
    const { code, stdout, stderr } = await runAgent(
      args.map((arg) => (arg === 'CONFIG' ? config : arg)),
    );
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^ {4}at /m);
  });
});

describe('with --json a failure', () => {
  test.each([
    ['of the command line', ['get', '--json'], 2, 'usage.invalid', "argument 'name'"],
    [
      'of the configuration',
      ['list', '--json', '--config', '/no/file.yaml'],
      2,
      'config.invalid',
      '/no/file.yaml',
    ],
    [
      'of the agent',
      ['get', 'x', '--json', '--socket', '/no/agent.sock'],
      4,
      'agent.unreachable',
      'start it with',
    ],
  ])('%s is told in JSON, on standard error', async (_, args, exitCode, code, message) => {
    const { stderr, ...outcome } = await runAgent(args);
    expect(outcome).toEqual({ code: exitCode, stdout: '' });
    expect(JSON.parse(stderr)).toEqual({
      error: { code, message: expect.stringContaining(message) },
    });
  });

  test('that was typed after -- is the other command’s', async () => {
    const { code, stderr } = await runAgent(['exec', '--', '/no/command', '--json']);
    expect(code).toBe(127);
    expect(stderr).toMatch(/^sallyport-agent: [^\n]*\n$/);
  });

  test('repeats nothing that was typed, and tells help as ever', async () => {
    const { stderr } = await runAgent(['status', 'sp_enroll_canary', '--json']);
    expect(JSON.parse(stderr).error.code).toBe('usage.invalid');
    expect(stderr).not.toContain('canary');
    expect(await runAgent(['lease', '--help', '--json'])).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a secret on a command line', () => {
  test.each([
    ['after =', ['enroll', '--url', 'x', '--token=sp_enroll_canary'], "unknown option '--token'"],
    [
      'without =',
      ['enroll', '--url', 'x', '--tokensp_enroll_canary'],
      "unknown option '--tokensp'",
    ],
    ['after a letter', ['enroll', '--url', 'x', '-tcanary'], "unknown option '-t'"],
    ['as an argument', ['status', 'sp_enroll_canary'], 'too many arguments'],
    ['as the command', ['sp_enroll_canary'], 'unknown command'],
    ['as the token file', ['enroll', '--url', 'x', '--token-file', 'canary'], 'of --token-file'],
    [
      'as the CA file',
      ['enroll', '--url', 'x', '--token-file', '-', '--ca-file', 'canary', '--state-dir', 'STATE'],
      'of --ca-file',
    ],
    ['as the configuration', ['list', '--config', '/no/sp_enroll_canary'], '/no/sp_enroll_…'],
  ])('%s is refused and not repeated', async (_, args, told) => {
    const { code, stdout, stderr } = await runAgent(
      args.map((arg) => (arg === 'STATE' ? join(home.path, 'state') : arg)),
      { stdin: token },
    );
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^sallyport-agent: [^\n]*\n$/);
    expect(stderr).toContain(told);
    expect(stderr).not.toContain('canary');
  });

  test.each([
    ['is not there', 'canary', 127],
    ['cannot be run', '/dev/null/canary', 126],
  ])('as the command of exec, which %s, is not repeated', async (_, command, code) => {
    const outcome = await runAgent(['exec', '--', command]);
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).toContain('the command ');
    expect(outcome.stderr).not.toContain('canary');
  });
});
