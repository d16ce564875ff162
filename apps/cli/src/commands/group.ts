import { createGroupBody, group, groupName, type Group } from '@sallyport/contract';
import type { Command } from 'commander';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { fields, table } from '../output.ts';
import { checked } from '../usage.ts';

/** `group create`, `group list` and `group show`. */
export function addGroupCommands(program: Command, context: Context): void {
  const groups = program
    .command('group')
    .description('Groups of agents, each with its own secrets and keys');

  groups
    .command('create')
    .description('Make a group')
    .argument('<name>', '1 to 63 of a-z, 0-9 and -')
    .action(async (name: unknown) => {
      const body = { name: checked(createGroupBody.shape.name, name, '<name>') };
      using api = await openApi(context);
      const created = await api.post(route`/groups`, body, group);
      context.output.result(created, `Made the group ${created.name}.`);
    });

  groups
    .command('list')
    .description('List the groups')
    .action(async () => {
      using api = await openApi(context);
      const items = await api.list(route`/groups`, group);
      const rows = items.map((item) => [item.name, String(item.revision), item.createdAt]);
      context.output.result(
        items,
        table(['NAME', 'REVISION', 'CREATED'], rows, 'There are no groups.'),
      );
    });

  groups
    .command('show')
    .description('Show a group')
    .argument('<name>')
    .action(async (name: unknown) => {
      const path = route`/groups/${checked(groupName, name, '<name>')}`;
      using api = await openApi(context);
      const found = await api.get(path, group);
      context.output.result(found, fields(rowsOf(found)));
    });
}

function rowsOf({ name, id, revision, createdAt }: Group) {
  return [
    ['Name', name],
    ['Id', id],
    ['Revision', String(revision)],
    ['Created', createdAt],
  ] as const;
}
