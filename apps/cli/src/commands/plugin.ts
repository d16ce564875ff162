import { groupName, plugin, putPluginBody, resourceName } from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { openApi, type Context } from '../context.ts';
import { table } from '../output.ts';
import { readJson } from '../read-input.ts';
import { checked } from '../usage.ts';

const groupOption = z.object({ group: groupName });
const setOptions = groupOption.extend({ file: z.string() });

/** `plugin set`, `plugin list`, `plugin show` and `plugin delete`. */
export function addPluginCommands(program: Command, context: Context): void {
  const plugins = program.command('plugin').description('Configuration of a group’s programs');

  plugins
    .command('set')
    .description('Write a plugin’s configuration, one JSON object')
    .argument('<name>')
    .requiredOption('--group <group>', 'group')
    .option('--file <file>', 'read the JSON from a file, or from standard input (-)', '-')
    .action(async (given: unknown, options: unknown) => {
      const { group, file } = checked(setOptions, options);
      const name = checked(resourceName, given, '<name>');
      using api = await openApi(context);
      const config = await readConfig(context, file);
      const written = await api.put(route`/groups/${group}/plugins/${name}`, { config }, plugin);
      context.output.result(written, `${written.name} is at version ${written.version}.`);
    });

  plugins
    .command('list')
    .description('List the plugins of a group')
    .requiredOption('--group <group>', 'group')
    .action(async (options: unknown) => {
      const { group } = checked(groupOption, options);
      using api = await openApi(context);
      const items = await api.list(route`/groups/${group}/plugins`, plugin);
      const rows = items.map((item) => [item.name, String(item.version), item.updatedAt]);
      context.output.result(
        items,
        table(['NAME', 'VERSION', 'UPDATED'], rows, `${group} has no plugins.`),
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
      context.output.result(found, JSON.stringify(found.config, null, 2));
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

async function readConfig({ terminal }: Context, file: string): Promise<unknown> {
  const parsed = putPluginBody.shape.config.safeParse(await readJson(terminal, file));
  if (parsed.success) return parsed.data;
  throw new CliError(
    'input.unusable',
    'a plugin’s configuration is a JSON object of at most 32 levels, without NUL',
  );
}
