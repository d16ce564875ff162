import { completionScript, shells, type Shell } from '@sallyport/config/completion';
import { Argument, type Command } from 'commander';
import type { Context } from '../context.ts';

export function addCompletionCommand(program: Command, { output }: Context): void {
  program
    .command('completion')
    .description('print the script that teaches a shell these commands')
    .addArgument(new Argument('<shell>').choices(shells))
    .action((shell: Shell) => {
      const script = completionScript(shell, program);
      output.result({ shell, script }, script.trimEnd());
    });
}
