import {
  groupName,
  offlinePolicy,
  referenceShape,
  resourceName,
  revealedSecret,
  secret,
  secretReference,
  secretVersion,
  type RevealedSecret,
  type SecretMetadata,
} from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { openApi, type Context } from '../context.ts';
import { written } from '../duration.ts';
import { table } from '../output.ts';
import { readSecretValue } from '../read-input.ts';
import { checked, wholeNumber } from '../usage.ts';
import { addLeaseOptions, leaseIn, leaseOptions, leasePatchIn } from './lease-options.ts';

const groupOption = z.object({ group: groupName });
const setOptions = groupOption.extend({
  file: z.string().optional(),
  reference: secretReference.optional(),
  offline: offlinePolicy.optional(),
  ...leaseOptions,
});
const updateOptions = groupOption.extend({ offline: offlinePolicy.optional(), ...leaseOptions });
const rollbackOptions = groupOption.extend({ to: wholeNumber });
const revealOptions = groupOption.extend({ version: wholeNumber.optional() });

/** `secret set`, `secret update`, `secret list`, `secret show`, `secret versions`, `secret reveal`, `secret rollback` and `secret delete`. */
export function addSecretCommands(program: Command, context: Context): void {
  const secrets = program.command('secret').description('Secrets of a group, and their versions');
  addSet(secrets, context);
  addUpdate(secrets, context);
  addLists(secrets, context);
  addShow(secrets, context);
  addReveal(secrets, context);
  addRollback(secrets, context);
  addDelete(secrets, context);
}

function addSet(secrets: Command, context: Context): void {
  const set = secrets
    .command('set')
    .description('Write a secret: make it, or add a version')
    .argument('<name>', 'such as db/password')
    .requiredOption('--group <group>', 'group')
    .option(
      '--file <file>',
      'read the value from a file, or from standard input (-), byte for byte',
    )
    .option(
      '--reference <uri>',
      'in place of a value: where agents find it, such as vault://kv/plant-7/db#password',
    )
    .option(
      '--offline <policy>',
      'whether agents may keep it on disk: allow or deny; stays as it is when not given',
    );
  addLeaseOptions(set, 'with --lease: ')
    .addHelpText(
      'after',
      `
The value is UTF-8 text of at most 64 KiB, and never taken from the command line. Without --file it is asked
for when a terminal is there, or else read from standard input less one line end, so that
  echo "$VALUE" | sallyport secret set --group plant-7 db/password
writes what is meant. With --file every byte counts, line ends too.

How it is lent out stays as it is where no option says otherwise: --lease changes how long a lease lasts, and
beside it --lease-uses any and --lease-window always take a restriction away. To change that alone, without the
value, use secret update. What holds from then on is printed.`,
    )
    .action(async (given: unknown, options: unknown) => {
      const { group, file, reference, offline, ...lease } = checked(setOptions, options);
      const name = checked(resourceName, given, '<name>');
      if (file !== undefined && reference !== undefined)
        throw new CliError('usage.invalid', 'give --file or --reference, not both');
      const settings = { ...(offline === undefined ? {} : { offline }), ...leaseIn(lease) };
      using api = await openApi(context);
      const value =
        reference === undefined
          ? { value: await readSecretValue(context.terminal, file) }
          : { reference };
      const body = { ...value, ...settings };
      const written = await api.put(route`/groups/${group}/secrets/${name}`, body, secret);
      context.output.result(written, described(written));
    });
}

function addUpdate(secrets: Command, context: Context): void {
  const update = secrets
    .command('update')
    .description('Change how a secret is delivered or lent out; its value and version stay')
    .argument('<name>')
    .requiredOption('--group <group>', 'group')
    .option('--offline <policy>', 'whether agents may keep it on disk: allow or deny');
  addLeaseOptions(update)
    .addHelpText(
      'after',
      `
What no option says stays as it is. --lease-uses any and --lease-window always take a restriction away. What holds
from then on is printed.`,
    )
    .action(async (given: unknown, options: unknown) => {
      const { group, offline, ...lease } = checked(updateOptions, options);
      const name = checked(resourceName, given, '<name>');
      const body = { ...(offline === undefined ? {} : { offline }), ...leasePatchIn(lease) };
      if (Object.keys(body).length === 0)
        throw new CliError(
          'usage.invalid',
          'say what is to change: --offline, --lease or --no-lease',
        );
      using api = await openApi(context);
      const updated = await api.patch(route`/groups/${group}/secrets/${name}`, body, secret);
      context.output.result(updated, described(updated));
    });
}

/** Its version, and how it is delivered or lent out. */
function described(shown: SecretMetadata): string {
  const { name, version } = shown;
  return [`${name} is at version ${version} (${kept(shown)}).`, ...policyOf(shown)].join('\n');
}

function kept({ kind, delivery, offline }: SecretMetadata): string {
  const what = kind === 'reference' ? 'a reference, ' : '';
  return delivery === 'lease' ? 'lent out' : `${what}offline: ${offline}`;
}

function addLists(secrets: Command, context: Context): void {
  secrets
    .command('list')
    .description('List the secrets of a group, without their values')
    .requiredOption('--group <group>', 'group')
    .action(async (options: unknown) => {
      const { group } = checked(groupOption, options);
      using api = await openApi(context);
      const items = await api.list(route`/groups/${group}/secrets`, secret);
      const rows = items.map((item) => [
        item.name,
        String(item.version),
        item.kind,
        item.delivery,
        item.offline,
        item.updatedAt,
      ]);
      context.output.list(
        items,
        table(
          ['NAME', 'VERSION', 'KIND', 'DELIVERY', 'OFFLINE', 'UPDATED'],
          rows,
          `${group} has no secrets.`,
        ),
      );
    });

  secrets
    .command('versions')
    .description('List the versions of a secret, without their values')
    .argument('<name>')
    .requiredOption('--group <group>', 'group')
    .action(async (given: unknown, options: unknown) => {
      const { group } = checked(groupOption, options);
      const name = checked(resourceName, given, '<name>');
      using api = await openApi(context);
      const items = await api.list(route`/groups/${group}/secrets/${name}/versions`, secretVersion);
      const rows = items.map(({ version, kind, createdAt, createdBy }) => [
        String(version),
        kind ?? '-',
        createdAt,
        createdBy,
      ]);
      context.output.list(
        items,
        table(['VERSION', 'KIND', 'CREATED', 'BY'], rows, `${name} has no versions.`),
      );
    });
}

function addShow(secrets: Command, context: Context): void {
  secrets
    .command('show')
    .description('Show a secret and how it is delivered or lent out, without its value')
    .argument('<name>')
    .requiredOption('--group <group>', 'group')
    .action(async (given: unknown, options: unknown) => {
      const { group } = checked(groupOption, options);
      const name = checked(resourceName, given, '<name>');
      using api = await openApi(context);
      const shown = await api.get(route`/groups/${group}/secrets/${name}`, secret);
      context.output.result(shown, described(shown));
    });
}

function policyOf({ lease }: SecretMetadata): string[] {
  if (lease === null) return [];
  const { ttlSeconds, maxTtlSeconds, maxUses, windows } = lease;
  const uses =
    maxUses === null ? 'any number of times' : maxUses === 1 ? 'once' : `${maxUses} times at most`;
  return [
    `A lease lasts ${written(ttlSeconds)}, ${written(maxTtlSeconds)} with renewals, and is read ${uses}.`,
    ...windows.map(
      ({ days, from, until, timeZone }) =>
        `Lent out on ${days.join(', ')} from ${from} to ${until} (${timeZone}).`,
    ),
  ];
}

function addReveal(secrets: Command, context: Context): void {
  secrets
    .command('reveal')
    .description('Print the value of a secret, byte for byte; every use is audited')
    .argument('<name>')
    .requiredOption('--group <group>', 'group')
    .option('--version <number>', 'version; the current one when not given')
    .action(async (given: unknown, options: unknown) => {
      const { group, version } = checked(revealOptions, options);
      const name = checked(resourceName, given, '<name>');
      const body = version === undefined ? {} : { version };
      using api = await openApi(context);
      const path = route`/groups/${group}/secrets/${name}/reveal`;
      const revealed = await api.post(path, body, revealedSecret);
      if (!context.output.json) refuseReference(revealed);
      context.output.revealed(revealed);
    });
}

/**
 * No program is to take where a value is for the value. Where nobody knows any more which it was, what reads like a
 * reference is not shown as a value, nor told, since it may be one.
 */
function refuseReference({ name, version, kind, value }: RevealedSecret): void {
  const reads = referenceShape.safeParse(value).success;
  if (kind === 'stored' || (kind === null && !reads)) return;
  throw new CliError(
    'secret.is_reference',
    kind === 'reference'
      ? `version ${version} of ${name} is a reference, to ${value}: agents look its value up, and there is none here; --json prints the reference`
      : `version ${version} of ${name} reads like a reference, which has no value here; --json prints it as it is`,
  );
}

function addRollback(secrets: Command, context: Context): void {
  secrets
    .command('rollback')
    .description(
      'Give a secret the value of an earlier version again, as a new version, and show it to nobody',
    )
    .argument('<name>')
    .requiredOption('--group <group>', 'group')
    .requiredOption('--to <number>', 'version, as `secret versions` lists it')
    .action(async (given: unknown, options: unknown) => {
      const { group, to } = checked(rollbackOptions, options);
      const path = route`/groups/${group}/secrets/${checked(resourceName, given, '<name>')}`;
      using api = await openApi(context);
      const restored = await api.post(`${path}/restore`, { version: to }, secret);
      context.output.result(
        restored,
        `${described(restored)}\nIts value is that of version ${to}.`,
      );
    });
}

function addDelete(secrets: Command, context: Context): void {
  secrets
    .command('delete')
    .description('Delete a secret and all its versions')
    .argument('<name>')
    .requiredOption('--group <group>', 'group')
    .action(async (given: unknown, options: unknown) => {
      const { group } = checked(groupOption, options);
      const name = checked(resourceName, given, '<name>');
      using api = await openApi(context);
      await api.delete(route`/groups/${group}/secrets/${name}`);
      context.output.result({ name, deleted: true }, `Deleted ${name} and all its versions.`);
    });
}
