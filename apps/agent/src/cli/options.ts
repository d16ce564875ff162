import type { Command } from 'commander';

/** A command with the options of all that look for the agent's state, socket or configuration. */
export function addCommand(program: Command, name: string): Command {
  return program
    .command(name)
    .option('--state-dir <dir>', 'directory of identity and durable bundle')
    .option('--socket <path>', 'unix socket of the agent')
    .option('--config <file>', 'YAML configuration file');
}
