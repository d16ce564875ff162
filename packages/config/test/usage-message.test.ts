import { describe, expect, test } from '@jest/globals';
import { usageMessage } from '../src/usage-message.ts';

const say = (code: string, message: string) => usageMessage({ code: `commander.${code}`, message });

describe('what is wrong with a command line', () => {
  test.each([
    ['a value after =', '--token=canary', '--token'],
    ['a value without =', '--tokensp_canary', '--tokensp'],
    ['a value after a letter', '-vcanary', '-v'],
    ['a value with a quote', "--token=it's canary", '--token'],
    ['no name at all', '-=canary', ''],
  ])('names an unknown option, and not %s', (_what, typed, name) => {
    expect(say('unknownOption', `error: unknown option '${typed}'`)).toBe(
      `unknown option '${name}'`,
    );
  });

  test.each([
    ['unknownCommand', "error: unknown command 'canary'"],
    ['excessArguments', 'error: too many arguments. Expected 0 arguments but got 1: canary.'],
    ['invalidArgument', "error: option '--uses <n>' argument 'canary' is invalid."],
    ['of.a.later.version', 'error: canary'],
  ])('does not repeat what was typed: %s', (code, message) => {
    expect(say(code, message)).not.toContain('canary');
  });

  test('keeps the suggestion, which is of the program’s own names', () => {
    const told = "error: unknown command 'gt'\n(Did you mean get?)";
    expect(say('unknownCommand', told)).toBe('unknown command (Did you mean get?); see --help');
    const option = "error: unknown option '--tokenfile=x'\n(Did you mean --token-file?)";
    expect(say('unknownOption', option)).toBe(
      "unknown option '--tokenfile' (Did you mean --token-file?)",
    );
  });

  test('keeps what names the program’s own options and arguments', () => {
    const told = "error: required option '--url <url>' not specified";
    expect(say('missingMandatoryOptionValue', told)).toBe(
      "required option '--url <url>' not specified",
    );
  });
});
