import {
  groupName,
  jsonText,
  offlinePolicy,
  plugin,
  pluginTypeName,
  putPluginBody,
  resourceName,
} from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { openApi, type Context } from '../context.ts';
import { table } from '../output.ts';
import { readJson } from '../read-input.ts';
import { checked } from '../usage.ts';

const PLACEHOLDER_HELP = `
An encrypted field is shown as {"$encrypted": true}; sent back so, it keeps its value. The configuration is never
taken from the command line.`;

const groupOption = z.object({ group: groupName });
const writeOptions = groupOption.extend({
  file: z.string(),
  type: pluginTypeName.optional(),
  offline: offlinePolicy.optional(),
});

/** `plugin set`, `plugin patch`, `plugin list`, `plugin show` and `plugin delete`. */
export function addPluginCommands(program: Command, context: Context): void {
  const plugins = program.command('plugin').description('Configuration of a group’s programs');
  addWrites(plugins, context);
  addReads(plugins, context);
}

function addWrites(plugins: Command, context: Context): void {
  for (const [command, description, send] of [
    ['set', 'Write a plugin’s configuration, one JSON object', 'put'],
    ['patch', 'Change parts of a plugin’s configuration by a JSON Merge Patch', 'patch'],
  ] as const)
    plugins
      .command(command)
      .description(description)
      .argument('<name>')
      .requiredOption('--group <group>', 'group')
      .option(
        '--type <type>',
        'plugin type; stays as it is when not given, and is generic at first',
      )
      .option('--offline <policy>', 'whether agents may keep it on disk: allow or deny')
      .option('--file <file>', 'read the JSON from a file, or from standard input (-)', '-')
      .addHelpText('after', PLACEHOLDER_HELP)
      .action(async (given: unknown, options: unknown) => {
        const { group, file, ...more } = checked(writeOptions, options);
        const name = checked(resourceName, given, '<name>');
        using api = await openApi(context);
        const body = { ...more, config: await readConfig(context, file) };
        const path = route`/groups/${group}/plugins/${name}`;
        // What somebody else writes meanwhile is refused, not lost.
        const condition = await api.conditionOf(path);
        const written = await api[send](path, body, plugin, condition);
        const { version, type, typeVersion, offline } = written;
        context.output.result(
          written,
          `${written.name} is at version ${version} (type: ${type} ${typeVersion}, offline: ${offline}).`,
        );
      });

  plugins
    .command('delete')
    .description('Delete a plugin')
    .argument('<name>')
    .requiredOption('--group <group>', 'group')
    .action(async (given: unknown, options: unknown) => {
      const { group } = checked(groupOption, options);
      const name = checked(resourceName, given, '<name>');
      using api = await openApi(context);
      await api.delete(route`/groups/${group}/plugins/${name}`);
      context.output.result({ name, deleted: true }, `Deleted ${name}.`);
    });
}

function addReads(plugins: Command, context: Context): void {
  plugins
    .command('list')
    .description('List the plugins of a group')
    .requiredOption('--group <group>', 'group')
    .action(async (options: unknown) => {
      const { group } = checked(groupOption, options);
      using api = await openApi(context);
      const items = await api.list(route`/groups/${group}/plugins`, plugin);
      const rows = items.map((item) => [
        item.name,
        String(item.version),
        item.type,
        item.offline,
        item.updatedAt,
      ]);
      context.output.list(
        items,
        table(['NAME', 'VERSION', 'TYPE', 'OFFLINE', 'UPDATED'], rows, `${group} has no plugins.`),
      );
    });

  plugins
    .command('show')
    .description('Print the configuration of a plugin')
    .argument('<name>')
    .requiredOption('--group <group>', 'group')
    .action(async (given: unknown, options: unknown) => {
      const { group } = checked(groupOption, options);
      const path = route`/groups/${group}/plugins/${checked(resourceName, given, '<name>')}`;
      using api = await openApi(context);
      const found = await api.get(path, plugin);
      context.output.result(found, jsonText(found.config, 2));
    });
}

async function readConfig({ terminal }: Context, file: string): Promise<unknown> {
  const parsed = putPluginBody.shape.config.safeParse(await readJson(terminal, file));
  if (parsed.success) return parsed.data;
  throw new CliError(
    'input.unusable',
    'a plugin’s configuration is a JSON object of at most 32 levels, without NUL, and with whole numbers from 2^53 on as text',
  );
}
