import { operatorName, roleBinding, type HeldRole, type RoleBinding } from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route, type ApiClient } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { openApi, type Context } from '../context.ts';
import { table } from '../output.ts';
import { ROLE_HELP, rolesInWords, typedRole } from '../roles.ts';
import { checked } from '../usage.ts';

/** What goes without a role. */
const idAlone = z.uuid('give the role too, or the id that `role list` shows').toLowerCase();

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
    .argument('<operator>', 'or, without a role, the id that `role list` shows')
    .argument('[role]', ROLE_HELP)
    .action(async (given: unknown, givenRole: unknown) => {
      if (givenRole === undefined) {
        const id = checked(idAlone, given, '<operator>');
        using api = await openApi(context);
        await api.delete(route`/role-bindings/${id}`);
        context.output.result({ id, revoked: true }, `Took the role ${id} away.`);
        return;
      }
      const operator = checked(operatorName, given, '<operator>');
      const held = checked(typedRole, givenRole, '<role>');
      using api = await openApi(context);
      const { id } = await bindingOf(api, operator, held);
      await api.delete(route`/role-bindings/${id}`);
      const text = `${operator} is ${rolesInWords([held])} no longer.`;
      context.output.result({ id, revoked: true }, text);
    });
}

async function bindingOf(api: ApiClient, operator: string, held: HeldRole): Promise<RoleBinding> {
  const items = await api.list(route`/role-bindings`, roleBinding);
  const found = items.find(
    (item) => item.operator === operator && item.role === held.role && item.group === held.group,
  );
  if (found !== undefined) return found;
  throw new CliError(
    'role_binding.not_found',
    `${operator} is not ${rolesInWords([held])}, or you may not see it — see: sallyport role list`,
  );
}
