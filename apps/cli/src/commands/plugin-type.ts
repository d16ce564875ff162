import {
  changedPluginType,
  checkPluginTypeBody,
  jsonText,
  pluginBreaks,
  pluginType,
  pluginTypeName,
  pluginTypeSummary,
  type PluginBreaks,
  type PluginTypeDefinition,
} from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route, type ApiClient } from '../api-client.ts';
import { ApiError, CliError } from '../cli-error.ts';
import { openApi, type Context } from '../context.ts';
import { table } from '../output.ts';
import { readJson } from '../read-input.ts';
import { checked, wholeNumber } from '../usage.ts';

const setOptions = z.object({ file: z.string(), force: z.boolean().optional() });
const fileOption = z.object({ file: z.string() });
const showOptions = z.object({ version: wholeNumber.optional() });

/** `plugin-type set`, `plugin-type check`, `plugin-type list`, `plugin-type show` and `plugin-type delete`. */
export function addPluginTypeCommands(program: Command, context: Context): void {
  const types = program
    .command('plugin-type')
    .description('What plugins of a kind look like, and which of their fields are encrypted');
  addSet(types, context);
  addCheck(types, context);
  addList(types, context);
  addShow(types, context);
  addDelete(types, context);
}

function addSet(types: Command, context: Context): void {
  types
    .command('set')
    .description('Write a plugin type: make it, or give it its next version')
    .argument('<name>')
    .option('--file <file>', 'read the type from a file, or from standard input (-)', '-')
    .option('--force', 'also when plugins do not fit it; they stay as they are until written again')
    .addHelpText(
      'after',
      `
The type is one JSON object: "schema" (JSON Schema 2020-12), and if there are any "encryptedFields" and
"publicFields", lists of paths such as /auth/password or /targets/*/token, and "description".`,
    )
    .action(async (given: unknown, options: unknown) => {
      const { file, force = false } = checked(setOptions, options);
      const name = checked(pluginTypeName, given, '<name>');
      using api = await openApi(context);
      const written = await setType(api, name, await readType(context, file), force);
      const broken = breaksInWords(written);
      const lines = [`${written.name} is at version ${written.version}.`];
      if (broken !== undefined) lines.push(`It does not fit these plugins:\n${broken}`);
      context.output.result(written, lines.join('\n'));
    });
}

/** The next version of a type, or the first. */
async function setType(api: ApiClient, name: string, type: PluginTypeDefinition, force: boolean) {
  try {
    return await api.put(route`/plugin-types/${name}`, { ...type, force }, changedPluginType);
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'plugin_type.not_found')) throw error;
    const made = await api.post(route`/plugin-types`, { name, ...type }, pluginType);
    return { ...made, breaks: [], more: 0 };
  }
}

function addCheck(types: Command, context: Context): void {
  types
    .command('check')
    .description('Tell which plugins a next version would break, and change nothing')
    .argument('<name>')
    .option('--file <file>', 'read the type from a file, or from standard input (-)', '-')
    .addHelpText('after', '\nExits with 7 when it would break any.')
    .action(async (given: unknown, options: unknown) => {
      const { file } = checked(fileOption, options);
      const name = checked(pluginTypeName, given, '<name>');
      using api = await openApi(context);
      const type = await readType(context, file);
      const found = await api.post(route`/plugin-types/${name}/check`, type, pluginBreaks);
      const broken = breaksInWords(found);
      context.output.result(found, broken ?? 'Every plugin of this type fits.');
      if (broken !== undefined)
        throw new CliError(
          'plugin_type.breaks_plugins',
          'plugins of this type would not fit; nothing is changed',
        );
    });
}

function addList(types: Command, context: Context): void {
  types
    .command('list')
    .description('List the plugin types')
    .action(async () => {
      using api = await openApi(context);
      const items = await api.list(route`/plugin-types`, pluginTypeSummary);
      const rows = items.map((item) => [
        item.name,
        String(item.version),
        String(item.encryptedFields.length),
        item.description,
      ]);
      context.output.list(
        items,
        table(['NAME', 'VERSION', 'ENCRYPTED', 'DESCRIPTION'], rows, 'There are no plugin types.'),
      );
    });
}

function addShow(types: Command, context: Context): void {
  types
    .command('show')
    .description('Print a plugin type as JSON, as `set` takes it')
    .argument('<name>')
    .option('--version <number>', 'version; the current one when not given')
    .action(async (given: unknown, options: unknown) => {
      const { version } = checked(showOptions, options);
      const name = checked(pluginTypeName, given, '<name>');
      using api = await openApi(context);
      const path = route`/plugin-types/${name}`;
      const query = version === undefined ? '' : `?version=${version}`;
      const found = await api.get(`${path}${query}`, pluginType);
      const { description, schema, encryptedFields, publicFields } = found;
      const type = { description, schema, encryptedFields, publicFields };
      context.output.result(found, jsonText(type, 2));
    });
}

function addDelete(types: Command, context: Context): void {
  types
    .command('delete')
    .description('Delete a plugin type that no plugin has')
    .argument('<name>')
    .action(async (given: unknown) => {
      const name = checked(pluginTypeName, given, '<name>');
      using api = await openApi(context);
      await api.delete(route`/plugin-types/${name}`);
      context.output.result({ name, deleted: true }, `Deleted ${name} and all its versions.`);
    });
}

async function readType({ terminal }: Context, file: string): Promise<PluginTypeDefinition> {
  const parsed = checkPluginTypeBody.safeParse(await readJson(terminal, file));
  if (parsed.success) return parsed.data;
  const fields = [
    ...new Set(parsed.error.issues.map(({ path }) => String(path[0] ?? 'the whole'))),
  ];
  throw new CliError(
    'input.unusable',
    `a plugin type is a JSON object with a schema and lists of paths: look at ${fields.join(', ')}`,
  );
}

function breaksInWords({ breaks, more }: PluginBreaks): string | undefined {
  if (breaks.length + more === 0) return undefined;
  const rows = breaks.flatMap(({ group, plugin, problems }) =>
    problems.map(({ path, problem }) => [group, plugin, path === '' ? '(whole)' : path, problem]),
  );
  const named = table(['GROUP', 'PLUGIN', 'FIELD', 'PROBLEM'], rows, '');
  return [named, ...(more > 0 ? [`and ${more} more`] : [])].filter(Boolean).join('\n');
}
