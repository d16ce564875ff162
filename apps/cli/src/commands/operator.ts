import { operator, operatorName, type Operator } from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { fields, table } from '../output.ts';
import { ROLE_HELP, rolesInWords, typedRole } from '../roles.ts';
import { checked } from '../usage.ts';
import { askForNewPassword } from './own-credentials.ts';

const passwordOption = z.object({ passwordFile: z.string().optional() });
const createOptions = passwordOption.extend({ role: z.array(typedRole).default([]) });
const PASSWORD_HELP = `
The password, at least 12 characters, is asked for twice when a terminal is there, or read from --password-file (or
- for standard input); one line end after it is left out. It is never taken from the command line.`;

/** `operator create`, `list`, `show`, `reset-password` and `delete`. */
export function addOperatorCommands(program: Command, context: Context): void {
  const operators = program.command('operator').description('People who manage Sallyport');
  addChanges(operators, context);

  operators
    .command('list')
    .description('List the operators, their roles, and who has no second factor')
    .action(async () => {
      using api = await openApi(context);
      const items = await api.list(route`/operators`, operator);
      const rows = items.map((item) => [
        item.name,
        rolesInWords(item.roles),
        item.secondFactor ? 'yes' : 'no',
        item.lockedUntil ?? '-',
        item.createdAt,
      ]);
      const headings = ['NAME', 'ROLES', 'SECOND FACTOR', 'LOCKED UNTIL', 'CREATED'];
      context.output.list(items, table(headings, rows, 'There are no operators.'));
    });

  operators
    .command('show')
    .description('Show an operator')
    .argument('<name>')
    .action(async (given: unknown) => {
      const path = route`/operators/${checked(operatorName, given, '<name>')}`;
      using api = await openApi(context);
      const found = await api.get(path, operator);
      context.output.result(found, fields(rowsOf(found)));
    });
}

function addChanges(operators: Command, context: Context): void {
  operators
    .command('create')
    .description('Make an operator')
    .argument('<name>')
    .option('--role <role...>', ROLE_HELP)
    .option('--password-file <file>', 'read the password from a file, or from standard input (-)')
    .addHelpText('after', PASSWORD_HELP)
    .action(async (given: unknown, options: unknown) => {
      const name = checked(operatorName, given, '<name>');
      const { role, passwordFile } = checked(createOptions, options);
      using api = await openApi(context);
      const password = await newPasswordFor(context, name, passwordFile);
      const created = await api.post(route`/operators`, { name, password, roles: role }, operator);
      context.output.result(created, `Made the operator ${name} (${rolesInWords(created.roles)}).`);
    });

  operators
    .command('reset-password')
    .description('Give an operator a new password and end its sessions')
    .argument('<name>')
    .option('--password-file <file>', 'read the password from a file, or from standard input (-)')
    .addHelpText('after', PASSWORD_HELP)
    .action(async (given: unknown, options: unknown) => {
      const name = checked(operatorName, given, '<name>');
      const { passwordFile } = checked(passwordOption, options);
      using api = await openApi(context);
      const password = await newPasswordFor(context, name, passwordFile);
      await api.putNothing(route`/operators/${name}/password`, { password });
      context.output.result(
        { name, passwordReset: true },
        `${name} has a new password, and every session of ${name} has ended.`,
      );
    });

  operators
    .command('reset-totp')
    .description('Remove the second factor of an operator who lost it, and end its sessions')
    .argument('<name>')
    .action(async (given: unknown) => {
      const name = checked(operatorName, given, '<name>');
      using api = await openApi(context);
      await api.delete(route`/operators/${name}/totp`);
      context.output.result(
        { name, totpReset: true },
        `${name} signs in without a code now, and every session of ${name} has ended.`,
      );
    });

  operators
    .command('delete')
    .description('Delete an operator and end its sessions')
    .argument('<name>')
    .action(async (given: unknown) => {
      const name = checked(operatorName, given, '<name>');
      using api = await openApi(context);
      await api.delete(route`/operators/${name}`);
      context.output.result({ name, deleted: true }, `Deleted the operator ${name}.`);
    });
}

async function newPasswordFor(
  context: Context,
  name: string,
  file: string | undefined,
): Promise<string> {
  return askForNewPassword(context, `New password of ${name}: `, '--password-file', file);
}

function rowsOf({ name, id, roles, secondFactor, lockedUntil, createdAt }: Operator) {
  return [
    ['Name', name],
    ['Id', id],
    ['Roles', rolesInWords(roles)],
    ['Second factor', secondFactor ? 'yes' : 'no'],
    ['Locked until', lockedUntil ?? 'not locked'],
    ['Created', createdAt],
  ] as const;
}
