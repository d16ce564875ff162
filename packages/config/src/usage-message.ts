import { didYouMean } from './closest-name.ts';

/** As much of a commander command as it takes to find an option that is none. */
type CommandParser = {
  name(): string;
  readonly options: readonly { long?: string | undefined; hidden: boolean; variadic: boolean }[];
  readonly commands: readonly CommandParser[];
  parseOptions(args: string[]): { operands: string[]; unknown: string[] };
};

/** What was typed, and the program that was to parse it. */
export type CommandLine = { program: CommandParser; args: readonly string[] };

/** Faults that the parser tells in the program's own words: what it names is declared, never typed. */
const inOwnWords: ReadonlySet<string> = new Set([
  'commander.optionMissingArgument',
  'commander.missingMandatoryOptionValue',
]);

/**
 * What is wrong with a command line, from commander's error, in one line. Nothing that was typed is repeated
 * but the name of an unknown option: what follows it, and every other argument, may be a secret.
 */
export function usageMessage(
  { code, message }: { code: string; message: string },
  { program, args }: CommandLine,
): string {
  const words = message.replace(/^error: /, '').replaceAll(/\s+/g, ' ');
  // The parser looks first for what is missing, which may be what was misspelt.
  if (code === 'commander.unknownOption' || code === 'commander.missingMandatoryOptionValue') {
    const unknown = unknownOptionIn(program, [], args);
    if (unknown !== undefined) return unknown;
  }
  if (code === 'commander.unknownCommand') {
    const [suggestion = ''] = / \(Did you mean [^()']*\?\)$/.exec(words) ?? [];
    const names = commandsIn(program, args).map((each) => each.name());
    return `unknown command${suggestion}; see ${names.join(' ')} --help`;
  }
  if (code === 'commander.missingArgument') return `${words}${whatTookIt(program, args)}`;
  if (code === 'commander.excessArguments') {
    return 'too many arguments; a secret is never one of them, give it on standard input or in a file';
  }
  // From its end, which is declared: before it stands what was typed.
  const [, choices] = / Allowed choices are ([^.]+)\.$/.exec(words) ?? [];
  if (code === 'commander.invalidArgument' && choices !== undefined) return `use one of ${choices}`;
  return inOwnWords.has(code) ? words : 'the command line is not understood; see --help';
}

/** The commands that were typed and are there, from the program on. */
function commandsIn(command: CommandParser, args: readonly string[]): CommandParser[] {
  const { operands, unknown } = command.parseOptions([...args]);
  const [first, ...rest] = operands;
  const below = command.commands.find((each) => each.name() === first);
  return below === undefined ? [command] : [command, ...commandsIn(below, [...rest, ...unknown])];
}

/** An argument that stands behind an option of several values is taken for one of them. */
function whatTookIt(program: CommandParser, args: readonly string[]): string {
  const options = commandsIn(program, args).at(-1)?.options ?? [];
  const greedy = options.find(({ long = '', variadic }) => variadic && args.includes(long));
  return greedy === undefined
    ? ''
    : `; give it before ${greedy.long}, which takes all words after it`;
}

/** The first option that the command does not have, found as the parser goes from a command to the one below. */
function unknownOptionIn(
  command: CommandParser,
  before: readonly string[],
  args: readonly string[],
): string | undefined {
  const { operands, unknown } = command.parseOptions([...args]);
  const [first, ...rest] = [...before, ...operands];
  const below = command.commands.find((each) => each.name() === first);
  if (below !== undefined) return unknownOptionIn(below, rest, unknown);
  const [typed] = unknown;
  if (typed === undefined) return undefined;
  // An option's name ends where a value may begin: `--token=…`, `--tokensp_…`, `-v…`.
  const [name = ''] = /^(?:--[a-z-]*|-[A-Za-z])/.exec(typed) ?? [];
  const known = command.options.flatMap(({ long, hidden }) =>
    long === undefined || hidden ? [] : [long],
  );
  const meant = name.startsWith('--') ? didYouMean(name, known) : '';
  const place = command.commands.length > 0 ? '; options stand behind the command' : '';
  return `unknown option '${name}'${meant === '' ? place : meant}`;
}
