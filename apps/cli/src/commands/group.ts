import { createGroupBody, group, groupName, patchGroupBody, type Group } from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { fields, table } from '../output.ts';
import { checked } from '../usage.ts';

/** With spaces or commas between them, as `group show` prints them. */
const methods = z
  .array(z.string())
  .transform((given) => given.flatMap((part) => part.split(/,\s*/)).filter(Boolean))
  .pipe(patchGroupBody.shape.agentMethods.unwrap())
  .optional();

const updateOptions = z
  .object({ ...patchGroupBody.shape, agentMethods: methods })
  .refine(
    ({ agentMethods, clones }) => agentMethods !== undefined || clones !== undefined,
    'give --agent-methods or --clones',
  );

/** `group create`, `group list`, `group show`, `group update` and `group delete`. */
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
      context.output.list(
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

  groups
    .command('update')
    .description('Change how the agents of a group may open sessions, and what a copy of one meets')
    .argument('<name>')
    .option('--agent-methods <method...>', 'key, token, certificate; one or more')
    .option('--clones <policy>', 'report a copy of an agent’s state alone, or refuse it')
    .action(async (name: unknown, options: unknown) => {
      const path = route`/groups/${checked(groupName, name, '<name>')}`;
      const body = checked(updateOptions, options);
      using api = await openApi(context);
      const updated = await api.patch(path, body, group);
      context.output.result(updated, fields(rowsOf(updated)));
    });

  groups
    .command('delete')
    .description('Delete a group that holds nothing any more')
    .argument('<name>')
    .action(async (given: unknown) => {
      const name = checked(groupName, given, '<name>');
      using api = await openApi(context);
      await api.delete(route`/groups/${name}`);
      context.output.result({ name, deleted: true }, `Deleted the group ${name}.`);
    });
}

function rowsOf({ name, id, revision, agentMethods, clones, createdAt }: Group) {
  return [
    ['Name', name],
    ['Id', id],
    ['Revision', String(revision)],
    ['Agents open sessions with', agentMethods.join(', ')],
    ['Copies of agents', clones === 'refuse' ? 'are refused' : 'are reported'],
    ['Created', createdAt],
  ] as const;
}
