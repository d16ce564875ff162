import { agent, certificateIdentity, groupName, uuid, type Agent } from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { duration } from '../duration.ts';
import { fields, table } from '../output.ts';
import { checked } from '../usage.ts';
import { diagnose } from './diagnose.ts';

const listOptions = z.object({ group: groupName });
/** `none` clears it. */
const updateOptions = z.object({
  certificateIdentity: z.union([z.literal('none').transform(() => null), certificateIdentity], {
    error: 'use uri:, dns: (in lower case), ip: or key: and that name of the certificate, or none',
  }),
});
const diagnoseOptions = z.object({ timeout: duration });

/** `agent list`, `agent show`, `agent update`, `agent revoke` and `agent diagnose`. */
export function addAgentCommands(program: Command, context: Context): void {
  const agents = program.command('agent').description('Enrolled agents');

  agents
    .command('list')
    .description('List the agents of a group')
    .requiredOption('--group <group>', 'group')
    .action(async (options: unknown) => {
      const { group } = checked(listOptions, options);
      using api = await openApi(context);
      const items = await api.list(route`/groups/${group}/agents`, agent);
      const headings = ['NAME', 'ID', 'STATE', 'REVISION', 'LAST SEEN'];
      const rows = items.map(({ name, id, state, appliedRevision, lastSeenAt }) => {
        return [name, id, state, String(appliedRevision), lastSeenAt ?? 'never'];
      });
      context.output.result(items, table(headings, rows, `${group} has no agents.`));
    });

  agents
    .command('show')
    .description('Show an agent')
    .argument('<id>', 'as `agent list` shows it')
    .action(async (given: unknown) => {
      const id = checked(uuid, given, '<id>, as `agent list` shows it');
      using api = await openApi(context);
      const found = await api.get(route`/agents/${id}`, agent);
      context.output.result(found, fields(rowsOf(found)));
    });

  addUpdate(agents, context);

  agents
    .command('revoke')
    .description('Revoke an agent for ever: it loses its secrets and may not come back')
    .argument('<id>', 'as `agent list` shows it')
    .action(async (given: unknown) => {
      const id = checked(uuid, given, '<id>, as `agent list` shows it');
      using api = await openApi(context);
      const revoked = await api.post(route`/agents/${id}/revoke`, undefined, agent);
      context.output.result(revoked, `Revoked the agent ${revoked.name} (${id}).`);
    });

  agents
    .command('diagnose')
    .description('Have an agent report on itself, and wait for the report')
    .argument('<id>', 'as `agent list` shows it')
    .option('--timeout <duration>', 'how long to wait', '2m')
    .action(async (given: unknown, options: unknown) => {
      const { timeout } = checked(diagnoseOptions, options);
      await diagnose(context, checked(uuid, given, '<id>, as `agent list` shows it'), timeout);
    });
}

function addUpdate(agents: Command, context: Context): void {
  agents
    .command('update')
    .description('Say which certificate of your own CA is an agent’s')
    .argument('<id>', 'as `agent list` shows it')
    .requiredOption(
      '--certificate-identity <identity>',
      'such as uri:spiffe://corp/db-7, dns:db-7.corp, ip:10.0.0.7 or key:…; none to clear it',
    )
    .action(async (given: unknown, options: unknown) => {
      const id = checked(uuid, given, '<id>, as `agent list` shows it');
      const body = checked(updateOptions, options);
      using api = await openApi(context);
      const updated = await api.patch(route`/agents/${id}`, body, agent);
      context.output.result(updated, fields(rowsOf(updated)));
    });
}

function rowsOf(found: Agent) {
  const { facts } = found;
  return [
    ['Name', found.name],
    ['Id', found.id],
    ['Group', found.group],
    ['State', found.state],
    ['Applied revision', String(found.appliedRevision)],
    ['Key', found.keyThumbprint],
    ...(found.certificateIdentity === null
      ? []
      : [['Certificate', found.certificateIdentity] as const]),
    ['Version', facts.agentVersion],
    ['Host', `${facts.platform} ${facts.architecture}, ${facts.runtime}`],
    ['Enrolled', found.enrolledAt],
    ['Last seen', found.lastSeenAt ?? 'never'],
    ...(found.clonedAt === null ? [] : [['A copy was seen', found.clonedAt] as const]),
    ...(found.revokedAt === null ? [] : [['Revoked', found.revokedAt] as const]),
  ] as const;
}
