import { createLinkBody, groupName, link, linkName, printable } from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { fields, table } from '../output.ts';
import { checked } from '../usage.ts';

const groupOption = z.object({ group: groupName });
const addOptions = z.object({
  group: groupName,
  address: createLinkBody.shape.address,
  fingerprint: createLinkBody.shape.agentFingerprint,
});
type Link = z.infer<typeof link>;

/** `link add`, `link list`, `link show` and `link remove`. */
export function addLinkCommands(program: Command, context: Context): void {
  const links = program
    .command('link')
    .description('Links by which the control plane dials agents that listen');

  links
    .command('add')
    .description('Dial an agent from now on')
    .argument('<name>')
    .requiredOption('--group <group>', 'group of the agent')
    .requiredOption('--address <host:port>', 'where the agent listens')
    .option(
      '--fingerprint <sha256>',
      'SHA-256 fingerprint of the agent’s certificate, as the agent prints it; not needed for one of a CA in dialer.truststore',
    )
    .action(async (given: unknown, options: unknown) => {
      const name = checked(linkName, given, '<name>');
      const { group, address, fingerprint } = checked(addOptions, options);
      using api = await openApi(context);
      const body = { name, address, agentFingerprint: fingerprint };
      const made = await api.post(route`/groups/${group}/links`, body, link);
      context.output.result(
        made,
        `The control plane dials ${printable(made.address)} for ${group}.`,
      );
    });

  links
    .command('list')
    .description('List the links of a group')
    .requiredOption('--group <group>', 'group')
    .action(async (options: unknown) => {
      const { group } = checked(groupOption, options);
      using api = await openApi(context);
      const items = await api.list(route`/groups/${group}/links`, link);
      const rows = items.map((item) => [item.name, item.address, stateOf(item)]);
      const text = table(['NAME', 'ADDRESS', 'STATE'], rows, `${group} has no links.`);
      context.output.list(items, text);
    });

  addOne(links, context);
}

/** The commands that name a link. */
function addOne(links: Command, context: Context): void {
  links
    .command('show')
    .description('Show a link, and why it does not work where it does not')
    .argument('<name>')
    .requiredOption('--group <group>', 'group')
    .action(async (given: unknown, options: unknown) => {
      const name = checked(linkName, given, '<name>');
      const { group } = checked(groupOption, options);
      using api = await openApi(context);
      const shown = await api.get(route`/groups/${group}/links/${name}`, link);
      context.output.result(shown, fields(rowsOf(shown)));
    });

  links
    .command('remove')
    .description('Delete a link and end its connections; the agent stays enrolled')
    .argument('<name>')
    .requiredOption('--group <group>', 'group')
    .action(async (given: unknown, options: unknown) => {
      const name = checked(linkName, given, '<name>');
      const { group } = checked(groupOption, options);
      using api = await openApi(context);
      await api.delete(route`/groups/${group}/links/${name}`);
      context.output.result({ name, removed: true }, `Removed the link ${name}.`);
    });
}

function rowsOf(shown: Link): (readonly [string, string])[] {
  const { name, address, agentFingerprint, agentId, createdBy, createdAt, lastError, seen } = shown;
  return [
    ['Name', name],
    ['Address', address],
    ['Fingerprint', agentFingerprint ?? 'any of a CA in dialer.truststore'],
    ['State', stateOf(shown)],
    ...(lastError === null ? [] : [['Why', lastError.message] as const]),
    ['Agent', agentId ?? 'none yet'],
    ...(seen === null ? [] : rowsOfSeen(seen)),
    ['Made', `${createdAt} by ${createdBy}`],
  ];
}

function rowsOfSeen(seen: NonNullable<Link['seen']>): (readonly [string, string])[] {
  const { protocol, cipher, group, isWeak, agentFingerprint, controlPlaneFingerprint } = seen;
  return [
    ['TLS', `${protocol}, ${cipher}, ${group ?? 'RSA'}${isWeak ? ' (weak)' : ''}`],
    ['Agent shows', agentFingerprint ?? 'no certificate'],
    ['Control plane shows', controlPlaneFingerprint ?? 'no certificate'],
  ];
}

function stateOf({ connectedSince, lastError }: Link): string {
  if (connectedSince !== null) return `connected since ${connectedSince}`;
  return lastError === null ? 'not connected' : `${lastError.code} since ${lastError.since}`;
}
