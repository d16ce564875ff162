import {
  apiKey,
  createApiKeyBody,
  createdApiKey,
  operatorName,
  rotateApiKeyBody,
  uuid,
} from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { durationWithin } from '../duration.ts';
import { fields, table } from '../output.ts';
import { ROLE_HELP, rolesInWords, typedRole } from '../roles.ts';
import { checked, wholeNumber } from '../usage.ts';

const days = wholeNumber.pipe(createApiKeyBody.shape.expiresInDays.unwrap()).optional();
const createOptions = z.object({ role: z.array(typedRole).min(1), days });
const rotateOptions = z.object({
  overlap: durationWithin(rotateApiKeyBody.shape.overlapSeconds.unwrap()),
  days,
});

/** `api-key create`, `list`, `show`, `rotate` and `revoke`. */
export function addApiKeyCommands(program: Command, context: Context): void {
  const keys = program.command('api-key').description('Keys with which automation calls the API');
  addMaking(keys, context);

  keys
    .command('list')
    .description('List the API keys')
    .action(async () => {
      using api = await openApi(context);
      const items = await api.list(route`/api-keys`, apiKey);
      const headings = ['ID', 'NAME', 'ROLES', 'STATE', 'EXPIRES', 'LAST USED'];
      const rows = items.map((item) => [
        item.id,
        item.name,
        rolesInWords(item.roles),
        item.state,
        item.expiresAt,
        item.lastUsedAt ?? 'never',
      ]);
      context.output.list(items, table(headings, rows, 'There are no API keys.'));
    });

  keys
    .command('show')
    .description('Show an API key, without the key')
    .argument('<id>', 'as `api-key list` shows it')
    .action(async (given: unknown) => {
      const path = route`/api-keys/${checked(uuid, given, '<id>')}`;
      using api = await openApi(context);
      const found = await api.get(path, apiKey);
      context.output.result(found, fields(rowsOf(found)));
    });

  keys
    .command('revoke')
    .description('End an API key now')
    .argument('<id>', 'as `api-key list` shows it')
    .action(async (given: unknown) => {
      const id = checked(uuid, given, '<id>');
      using api = await openApi(context);
      await api.postNothing(route`/api-keys/${id}/revoke`);
      context.output.result({ id, revoked: true }, `Revoked the API key ${id}.`);
    });
}

function addMaking(keys: Command, context: Context): void {
  keys
    .command('create')
    .description('Make an API key; it is shown this once')
    .argument('<name>', 'what it is for')
    .requiredOption('--role <role...>', ROLE_HELP)
    .option('--days <number>', 'how long it lives; by the installation’s policy when not given')
    .action(async (given: unknown, options: unknown) => {
      const name = checked(operatorName, given, '<name>');
      const { role, days: expiresInDays } = checked(createOptions, options);
      using api = await openApi(context);
      const body = { name, roles: role, expiresInDays };
      showOnce(context, await api.post(route`/api-keys`, body, createdApiKey));
    });

  keys
    .command('rotate')
    .description(
      'Make a key that takes the place of one, with the same roles; it is shown this once',
    )
    .argument('<id>', 'as `api-key list` shows it')
    .option('--overlap <duration>', 'how long the old key goes on, such as 0s, 1h or 7d', '1d')
    .option('--days <number>', 'how long the new one lives; by policy when not given')
    .action(async (given: unknown, options: unknown) => {
      const id = checked(uuid, given, '<id>');
      const { overlap, days: expiresInDays } = checked(rotateOptions, options);
      using api = await openApi(context);
      const body = { overlapSeconds: overlap, expiresInDays };
      showOnce(context, await api.post(route`/api-keys/${id}/rotate`, body, createdApiKey));
    });
}

function showOnce({ output }: Context, created: z.infer<typeof createdApiKey>): void {
  const rows = [['Key', created.key] as const, ...rowsOf(created)];
  output.result(created, `${fields(rows)}\n\nThe key is shown this once.`);
}

function rowsOf(key: z.infer<typeof apiKey>) {
  return [
    ['Id', key.id],
    ['Name', key.name],
    ['Begins', key.prefix],
    ['Roles', rolesInWords(key.roles)],
    ['State', key.state],
    ['Expires', key.expiresAt],
    ['Last used', key.lastUsedAt ?? 'never'],
    ['Made by', key.createdBy],
  ] as const;
}
