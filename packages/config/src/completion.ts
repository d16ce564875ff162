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
  }[];
  readonly commands: readonly CommandTree[];
};

/** What may stand after these words: `at` is empty, or ` config check`. */
type Place = { at: string; words: { text: string; description: string }[] };

const HELP = { text: '--help', description: 'display help for command' };

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
  }));
  const options = command.options.flatMap(({ long, description, hidden }) =>
    long === undefined || hidden ? [] : [{ text: long, description }],
  );
  return [
    { at, words: [...below, ...options, HELP] },
    ...command.commands.flatMap((each) => placesIn(each, `${at} ${each.name()}`)),
  ];
}

function bashScript(name: string, places: readonly Place[], known: readonly string[]): string {
  const called = functionOf(name);
  const cases = places.map(({ at, words }) => `    ${quoted(at)}) words=${list(words)} ;;`);
  return `# bash completion of ${name}
${called}() {
  local at='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ $word == -- ]]; then return; fi
    case "$at $word" in
      ${known.map(quoted).join(' | ')}) at="$at $word" ;;
    esac
  done
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
    words.map(({ text, description }) => {
      const word = text.startsWith('--') ? `-l ${text.slice(2)}` : `-f -a ${text}`;
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
