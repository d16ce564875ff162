import type { Command } from 'commander';
import type { ImportFlags, RequestFlags } from './bundle.ts';
import type { CliContext } from './context.ts';
import { addCommand } from './options.ts';

/** `bundle request` and `bundle import`. */
export function addBundle(program: Command, context: CliContext): void {
  const bundles = program
    .command('bundle')
    .description('for a host that never has a network: files that are carried');
  addCommand(bundles, 'request')
    .description('make the file by which an operator admits this host; the keys stay here')
    .option('--name <name>', 'the agent’s name; by default the host’s')
    .option('--output <file>', 'a new file; by default it is printed')
    .option('--force', 'ask with new keys, and replace the identity that is there at the import')
    .option('--json', 'print JSON')
    .action(async (flags: RequestFlags) =>
      (await import('./bundle.ts')).requestAdmission(flags, context),
    );
  addCommand(bundles, 'import')
    .description('take a bundle that `sallyport bundle export` made for this agent')
    .argument('<file>')
    .option('--signer <thumbprint>', 'of the control plane’s key, as the export printed it')
    .option('--json', 'print JSON')
    .action(async (file: string, flags: ImportFlags) =>
      (await import('./bundle.ts')).importFile(file, flags, context),
    );
}
