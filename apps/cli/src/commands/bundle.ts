import { exportBundleBody, exportedBundle, printable } from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { writeNewFile } from '../new-file.ts';
import { agentId, checked, wholeNumber } from '../usage.ts';

const { expiresInDays } = exportBundleBody.shape;
const exportOptions = z.object({
  agent: agentId,
  output: z.string(),
  days: wholeNumber.pipe(expiresInDays.unwrap()),
});

/** `bundle export`. */
export function addBundleCommands(program: Command, context: Context): void {
  program
    .command('bundle')
    .description('Bundles for hosts that never have a network')
    .command('export')
    .description('Write what an agent’s group has, for that agent alone, to be carried to its host')
    .requiredOption('--agent <id>', 'as `agent list` shows it')
    .requiredOption('--output <file>', 'a new file')
    .option('--days <days>', 'for how many days it may be served', '30')
    .action(async (options: unknown) => {
      const { agent, output, days } = checked(exportOptions, options);
      using api = await openApi(context);
      const path = route`/agents/${agent}/bundle`;
      const { made: about } = await writeNewFile(output, async (into) => {
        const exported = await api.post(path, { expiresInDays: days }, exportedBundle);
        const { bundle, ...rest } = exported;
        into.write(`${bundle}\n`);
        return rest;
      });
      const left = about.withheld
        ? 'Values that may not be kept on disk (offline: deny) are not in it, nor are leases.'
        : 'Leases are not in it.';
      context.output.result(
        { ...about, file: output },
        `Wrote revision ${about.revision} to ${output}, to be served until ${about.expiresAt}.\n${left}\nIts signer is ${printable(about.signer)}: the first import asks for it.`,
      );
    });
}
