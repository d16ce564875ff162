import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { shells, type Shell } from '@sallyport/config/completion';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import type { Command } from 'commander';
import type { CliContext } from '../src/cli/context.ts';
import { createProgram } from '../src/cli/program.ts';
import { runAgent } from './run-agent.ts';

/** What a shell that has read the script ($0) does where Tab is pressed at the end of these words ($@). */
const PRESS_TAB: Record<Shell, string> = {
  bash: `source "$0"
    complete -p sallyport-agent >/dev/null || exit
    COMP_WORDS=(sallyport-agent "$@") COMP_CWORD=$# COMPREPLY=()
    _sallyport_agent
    printf '%s\\n' "\${COMPREPLY[@]}"`,
  // What zsh itself offers is filtered by what was typed; these stand for its own functions.
  zsh: `compdef() { : }
    compadd() { print -l -- \${(M)found:#\${words[CURRENT]}*} }
    _files() { print -l -- * }
    source "$0"
    words=(sallyport-agent "$@") CURRENT=$(($# + 1))
    _sallyport_agent`,
  fish: 'source $argv[1]; complete --do-complete "sallyport-agent $argv[2..]" | string split --fields 1 \\t; true',
};

const context: CliContext = {
  env: {},
  hostname: '',
  stdin: Readable.from([]),
  stdout: { write: () => {} },
  stderr: { write: () => {} },
};

/** What may follow at each place, by the commands themselves. */
function wordsBelow(command: Command, place: string[]): [place: string[], words: string[]][] {
  const words = [
    ...command.commands.map((each) => each.name()),
    ...command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
    ...command.options.flatMap(({ long }) => long ?? []),
    '--help',
  ];
  const below = command.commands.flatMap((each) => wordsBelow(each, [...place, each.name()]));
  return [[place, words], ...below];
}

let home: TempDirectory;
beforeAll(async () => {
  home = await createTempDirectory('completion');
  for (const shell of shells) {
    const { stdout } = await runAgent(['completion', shell]);
    await writeFile(join(home.path, `${shell}.script`), stdout);
  }
});
afterAll(() => home.remove());

describe.each(shells)('completion in %s', (shell) => {
  const there = spawnSync(shell, ['--version']).status === 0;
  const testThere = there ? test : test.skip;
  const offered = (...words: string[]) => {
    const script = join(home.path, `${shell}.script`);
    const run = spawnSync(shell, ['-c', PRESS_TAB[shell], script, ...words], {
      encoding: 'utf8',
      cwd: home.path,
      env: { PATH: process.env['PATH'], HOME: home.path },
    });
    expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: '' });
    return run.stdout.split('\n').filter((line) => line !== '');
  };
  const why = there ? undefined : `there is no ${shell}`;

  testThere(titleOrLeftOut('offers commands, commands below them, and their options', why), () => {
    expect(offered('st')).toEqual(['status']);
    expect(offered('config', 'c')).toEqual(['check']);
    expect(offered('render', '--b')).toEqual(['--backup']);
    expect(offered('--state-dir', '/x', 'l').toSorted()).toEqual(['lease', 'link', 'list']);
  });

  testThere(titleOrLeftOut('knows every command, option and choice that there is', why), () => {
    for (const [place, words] of wordsBelow(
      createProgram(context, () => {}),
      [],
    )) {
      // Fish offers options once one is begun, and most commands have nothing else.
      const typed = shell === 'fish' ? ['--'] : [];
      if (shell !== 'fish' || !words.every((word) => word.startsWith('--'))) typed.push('');
      const found = typed.flatMap((word) => offered(...place, word));
      expect({ place, found }).toEqual({ place, found: expect.arrayContaining(words) });
    }
  });

  testThere(
    titleOrLeftOut('offers files where an option takes a value, and no option', why),
    () => {
      // Which bash does by itself.
      const files = shell === 'bash' ? [] : shells.map((each) => `${each}.script`).toSorted();
      expect(offered('render', '--template', '').toSorted()).toEqual(files);
      expect(offered('--state-dir', '/x', 'scan', '--app', '').toSorted()).toEqual(files);
      expect(offered('render', '--backup', '--w')).toEqual(['--watch']);
    },
  );

  testThere(titleOrLeftOut('offers nothing of its own after what it does not know', why), () => {
    expect(offered('config', 'st')).toEqual([]);
    expect(offered('get', '--b')).toEqual([]);
  });
});

test('a shell that it has no script for is refused', async () => {
  expect(await runAgent(['completion', 'tcsh'])).toMatchObject({ code: 2, stdout: '' });
});
