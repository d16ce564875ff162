/** Faults that the parser tells in the program's own words: what it names is declared, never typed. */
const inOwnWords: ReadonlySet<string> = new Set([
  'commander.missingArgument',
  'commander.optionMissingArgument',
  'commander.missingMandatoryOptionValue',
]);

/**
 * What is wrong with a command line, from commander's error, in one line. Nothing that was typed is repeated
 * but the name of an unknown option: what follows it, and every other argument, may be a secret.
 */
export function usageMessage({ code, message }: { code: string; message: string }): string {
  const words = message.replace(/^error: /, '').replaceAll(/\s+/g, ' ');
  const [suggestion = ''] = / \(Did you mean [^()']*\?\)$/.exec(words) ?? [];
  if (code === 'commander.unknownOption') {
    // An option's name ends where a value may begin: `--token=…`, `--tokensp_…`, `-v…`.
    const [, name = ''] = /^unknown option '(--[a-z-]*|-[A-Za-z])/.exec(words) ?? [];
    return `unknown option '${name}'${suggestion}`;
  }
  if (code === 'commander.unknownCommand') return `unknown command${suggestion}; see --help`;
  if (code === 'commander.excessArguments') {
    return 'too many arguments; a secret is never one of them, give it on standard input or in a file';
  }
  return inOwnWords.has(code) ? words : 'the command line is not understood; see --help';
}
