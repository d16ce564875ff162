import { describe, expect, test } from '@jest/globals';
import { usageMessage, type CommandLine } from '../src/usage-message.ts';

/** Commands as commander has them, of which one takes options: what it does not know it leaves, and what follows. */
const command = (
  name: string,
  longs: string[],
  commands: CommandLine['program'][] = [],
): CommandLine['program'] => ({
  name: () => name,
  options: longs.map((long) => ({ long, hidden: false, variadic: long === '--role' })),
  commands,
  parseOptions(args: string[]) {
    const at = args.findIndex((arg) => arg.startsWith('-') && !longs.includes(arg));
    return at < 0
      ? { operands: args, unknown: [] }
      : { operands: args.slice(0, at), unknown: args.slice(at) };
  },
});
const join = command('join', ['--group', '--socket', '--token-file', '--role']);
const program = command('program', [], [command('agent', [], [join])]);

const say = (code: string, message: string, ...args: string[]) =>
  usageMessage({ code: `commander.${code}`, message }, { program, args });
const unknown = (typed: string) =>
  say('unknownOption', `error: unknown option '${typed}'`, 'agent', 'join', typed, 'canary');

describe('what is wrong with a command line', () => {
  test.each([
    ['a value after =', '--tok=canary', '--tok', '; did you mean --token-file?'],
    ['a value without =', '--tokensp_canary', '--tokensp', ''],
    ['a value after a letter', '-vcanary', '-v', ''],
    ['a value with a quote', "--wait=it's canary", '--wait', ''],
    ['no name at all', '-=canary', '', ''],
    ['no name but dashes', '--=canary', '--', ''],
  ])('names an unknown option, and not %s', (_what, typed, name, hint) => {
    expect(unknown(typed)).toBe(`unknown option '${name}'${hint}`);
  });

  test.each([
    ['unknownOption', "error: unknown option '--canary'"],
    ['unknownCommand', "error: unknown command 'canary'"],
    ['excessArguments', 'error: too many arguments. Expected 0 arguments but got 1: canary.'],
    ['invalidArgument', "error: option '--uses <n>' argument 'canary' is invalid."],
    ['of.a.later.version', 'error: canary'],
  ])('does not repeat what was typed: %s', (code, message) => {
    expect(say(code, message)).not.toContain('canary');
  });

  test.each([
    'canary',
    "canary' is invalid for argument 'shell'. Allowed choices are canary.",
    'canary. Allowed choices are canary',
  ])('keeps what there is to choose from, and not what was typed: %s', (typed) => {
    const told = `error: command-argument value '${typed}' is invalid for argument 'shell'. Allowed choices are bash, zsh, fish.`;
    expect(say('invalidArgument', told)).toBe('use one of bash, zsh, fish');
  });

  test('keeps the suggestion, which is of the program’s own names', () => {
    const told = "error: unknown command 'gt'\n(Did you mean get?)";
    expect(say('unknownCommand', told)).toBe(
      'unknown command (Did you mean get?); see program --help',
    );
  });

  test('says whose help there is, by the commands that are', () => {
    const told = "error: unknown command 'canary'";
    expect(say('unknownCommand', told, 'agent', 'canary', '--canary')).toBe(
      'unknown command; see program agent --help',
    );
  });

  test('suggests the option that goes on as was typed rather than one that is alike', () => {
    expect(unknown('--token')).toBe("unknown option '--token'; did you mean --token-file?");
    expect(unknown('--sokcet')).toBe("unknown option '--sokcet'; did you mean --socket?");
  });

  test('says where an option stands that was typed before the command', () => {
    const told = "error: unknown option '--group'";
    expect(say('unknownOption', told, '--group', 'canary', 'agent', 'join')).toBe(
      "unknown option '--group'; options stand behind the command",
    );
  });

  test('says which option took an argument that is missing', () => {
    const told = "error: missing required argument 'name'";
    expect(say('missingArgument', told, 'agent', 'join', '--role', 'owner', 'canary')).toBe(
      "missing required argument 'name'; give it before --role, which takes all words after it",
    );
    expect(say('missingArgument', told, 'agent', 'join', '--group', 'canary')).toBe(
      "missing required argument 'name'",
    );
  });

  test('keeps what names the program’s own options and arguments', () => {
    const told = "error: required option '--url <url>' not specified";
    expect(say('missingMandatoryOptionValue', told, 'agent', 'join', '--group', 'a')).toBe(
      "required option '--url <url>' not specified",
    );
  });

  test('tells of an option that was misspelt, not that it is missing', () => {
    const told = "error: required option '--group <group>' not specified";
    expect(say('missingMandatoryOptionValue', told, 'agent', 'join', '--grup', 'canary')).toBe(
      "unknown option '--grup'; did you mean --group?",
    );
  });
});
