import { ban, groupName, uuid } from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { table } from '../output.ts';
import { checked } from '../usage.ts';

const groupOption = z.object({ group: groupName });

/** `ban list` and `ban lift`. */
export function addBanCommands(program: Command, context: Context): void {
  const bans = program.command('ban').description('What may not enrol again');

  bans
    .command('list')
    .description('List the bans of a group')
    .requiredOption('--group <group>', 'group')
    .action(async (options: unknown) => {
      const { group } = checked(groupOption, options);
      using api = await openApi(context);
      const items = await api.list(route`/groups/${group}/bans`, ban);
      const headings = ['ID', 'AGENT', 'AGENT ID', 'NAME', 'BANNED BY', 'SINCE'];
      const rows = items.map((item) => {
        const name = item.bannedName === null ? 'free' : 'banned';
        return [item.id, item.agentName, item.agentId, name, item.createdBy, item.createdAt];
      });
      context.output.list(items, table(headings, rows, `${group} has no bans.`));
    });

  bans
    .command('lift')
    .description('Let what was banned enrol again; the agent itself stays revoked')
    .argument('<id>', 'as `ban list` shows it')
    .requiredOption('--group <group>', 'group')
    .action(async (given: unknown, options: unknown) => {
      const { group } = checked(groupOption, options);
      const id = checked(uuid, given, '<id>, as `ban list` shows it');
      using api = await openApi(context);
      await api.delete(route`/groups/${group}/bans/${id}`);
      context.output.result({ id, lifted: true }, `Lifted the ban ${id}.`);
    });
}
