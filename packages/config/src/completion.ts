export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** As much of a commander command as completion needs. */
export type CommandTree = {
  name(): string;
  description(): string;
  readonly options: readonly {
    long?: string | undefined;
    description: string;
    hidden: boolean;
    /** Of a value after it. */
    required: boolean;
  }[];
  readonly registeredArguments: readonly { argChoices?: readonly string[] | undefined }[];
  readonly commands: readonly CommandTree[];
};

/** What may stand after these words: `at` is empty, or ` config check`. */
type Place = { at: string; words: Word[] };
type Word = { text: string; description: string; takesValue: boolean };

const HELP: Word = { text: '--help', description: 'display help for command', takesValue: false };

/** The script that teaches a shell the commands and options of a program, from the program's own command tree. */
export function completionScript(shell: Shell, program: CommandTree): string {
  const places = placesIn(program, '');
  const known = places.map(({ at }) => at).filter((at) => at !== '');
  const script = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell];
  return script(program.name(), places, known);
}

function placesIn(command: CommandTree, at: string): Place[] {
  const below = command.commands.map((each) => ({
    text: each.name(),
    description: each.description(),
    takesValue: false,
  }));
  const choices = command.registeredArguments.flatMap(({ argChoices = [] }) =>
    argChoices.map((text) => ({ text, description: '', takesValue: false })),
  );
  const options = command.options.flatMap(({ long, description, hidden, required }) =>
    long === undefined || hidden ? [] : [{ text: long, description, takesValue: required }],
  );
  return [
    { at, words: [...below, ...choices, ...options, HELP] },
    ...command.commands.flatMap((each) => placesIn(each, `${at} ${each.name()}`)),
  ];
}

function bashScript(name: string, places: readonly Place[], known: readonly string[]): string {
  const called = functionOf(name);
  const cases = places.map(({ at, words }) => `    ${quoted(at)}) words=${list(words)} ;;`);
  // With no word of its own, bash offers files.
  return `# bash completion of ${name}
${called}() {
  local at='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ $word == -- ]]; then return; fi
    case "$at $word" in
      ${known.map(quoted).join(' | ')}) at="$at $word" ;;
    esac
  done
  case "$at \${COMP_WORDS[COMP_CWORD-1]}" in
    ${valued(places)}) return ;;
  esac
  case "$at" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o bashdefault -o default -F ${called} ${name}
`;
}

function zshScript(name: string, places: readonly Place[], known: readonly string[]): string {
  const called = functionOf(name);
  const cases = places.map(({ at, words }) => `    (${quoted(at)}) found=(${plain(words)}) ;;`);
  return `#compdef ${name}
${called}() {
  local at='' word
  local -a found
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ $word == -- ]]; then _files; return; fi
    case "$at $word" in
      (${known.map(quoted).join(' | ')}) at="$at $word" ;;
    esac
  done
  case "$at \${words[CURRENT-1]}" in
    (${valued(places)}) _files; return ;;
  esac
  case "$at" in
${cases.join('\n')}
  esac
  compadd -a found || _files
}
if [[ $funcstack[1] == ${called} ]]; then ${called} "$@"; else compdef ${called} ${name}; fi
`;
}

function fishScript(name: string, places: readonly Place[], known: readonly string[]): string {
  const called = functionOf(name);
  const lines = places.flatMap(({ at, words }) =>
    words.map(({ text, description, takesValue }) => {
      const option = `-l ${text.slice(2)}${takesValue ? ' -r' : ''}`;
      const word = text.startsWith('--') ? option : `-f -a ${text}`;
      return `complete -c ${name} -n ${quotedForFish(`${called} ${quoted(at)}`)} ${word} -d ${quotedForFish(description)}`;
    }),
  );
  return `# fish completion of ${name}
function ${called}
  set -l at ''
  for word in (commandline -opc)[2..]
    if contains -- "$at $word" ${known.map(quotedForFish).join(' ')}
      set at "$at $word"
    end
  end
  test "$at" = "$argv[1]"
end
${lines.join('\n')}
`;
}

/** Where a value follows, and none of the words: what is there is a pattern of a shell's `case`. */
function valued(places: readonly Place[]): string {
  return places
    .flatMap(({ at, words }) =>
      words.filter(({ takesValue }) => takesValue).map(({ text }) => quoted(`${at} ${text}`)),
    )
    .join(' | ');
}

const functionOf = (name: string) => `_${name.replaceAll('-', '_')}`;
const plain = (words: Place['words']) => words.map(({ text }) => text).join(' ');
const list = (words: Place['words']) => quoted(plain(words));

/** A text as one word of a POSIX shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function quotedForFish(text: string): string {
  return `'${text.replaceAll(/['\\]/g, String.raw`\$&`)}'`;
}
