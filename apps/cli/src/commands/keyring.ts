import { counted, groupName, keyring, type Keyring } from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { table } from '../output.ts';
import { checked } from '../usage.ts';

const groupOption = z.object({ group: groupName });

/** `keyring show` and `keyring rotate`. */
export function addKeyringCommands(program: Command, context: Context): void {
  const keyrings = program.command('keyring').description('The keys that seal what a group holds');

  keyrings
    .command('show')
    .description('Show the versions of a group’s key, and what is still to be sealed anew')
    .requiredOption('--group <group>', 'group')
    .action(async (options: unknown) => {
      const { group } = checked(groupOption, options);
      using api = await openApi(context);
      const found = await api.get(route`/groups/${group}/keyring`, keyring);
      context.output.result(found, inWords(found));
    });

  keyrings
    .command('rotate')
    .description('Give a group a new key; what older ones sealed is sealed anew in the background')
    .requiredOption('--group <group>', 'group')
    .action(async (options: unknown) => {
      const { group } = checked(groupOption, options);
      using api = await openApi(context);
      const rotated = await api.post(route`/groups/${group}/keyring/rotate`, undefined, keyring);
      context.output.result(rotated, inWords(rotated));
    });
}

function inWords({ versions, remaining }: Keyring): string {
  const rows = versions.map((version) => [
    String(version.version),
    version.state,
    String(version.encryptions),
    String(version.uses),
    version.createdAt,
  ]);
  const left =
    remaining === 0
      ? 'Everything is sealed with the newest key.'
      : `${counted(remaining, 'value is', 'values are')} to be sealed anew; see keyring show.`;
  const headings = ['VERSION', 'STATE', 'SEALED', 'IN USE', 'CREATED'];
  return `${table(headings, rows, '')}\n\n${left}`;
}
