import { operatorName, roleBinding, uuid } from '@sallyport/contract';
import type { Command } from 'commander';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { table } from '../output.ts';
import { ROLE_HELP, rolesInWords, typedRole } from '../roles.ts';
import { checked } from '../usage.ts';

/** `role grant`, `role list` and `role revoke`. */
export function addRoleCommands(program: Command, context: Context): void {
  const roles = program.command('role').description('What operators may do, and where');

  roles
    .command('grant')
    .description('Give an operator a role')
    .argument('<operator>')
    .argument('<role>', ROLE_HELP)
    .action(async (givenOperator: unknown, givenRole: unknown) => {
      const operator = checked(operatorName, givenOperator, '<operator>');
      const held = checked(typedRole, givenRole, '<role>');
      using api = await openApi(context);
      const made = await api.post(route`/role-bindings`, { operator, ...held }, roleBinding);
      context.output.result(made, `${operator} is ${rolesInWords([made])}.`);
    });

  roles
    .command('list')
    .description('List who holds which role where')
    .action(async () => {
      using api = await openApi(context);
      const items = await api.list(route`/role-bindings`, roleBinding);
      const rows = items.map((item) => [
        item.id,
        item.operator,
        item.role,
        item.group ?? 'everywhere',
      ]);
      context.output.list(
        items,
        table(['ID', 'OPERATOR', 'ROLE', 'WHERE'], rows, 'Nobody holds a role that you may see.'),
      );
    });

  roles
    .command('revoke')
    .description('Take a role away')
    .argument('<id>', 'as `role list` shows it')
    .action(async (given: unknown) => {
      const id = checked(uuid, given, '<id>');
      using api = await openApi(context);
      await api.delete(route`/role-bindings/${id}`);
      context.output.result({ id, revoked: true }, `Took the role ${id} away.`);
    });
}
