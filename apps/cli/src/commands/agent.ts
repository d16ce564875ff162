import {
  admissionRequest,
  agent,
  agentState,
  ban,
  certificateIdentity,
  groupName,
  type Agent,
} from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { openApi, type Context } from '../context.ts';
import { duration } from '../duration.ts';
import { fields, table } from '../output.ts';
import { readJson } from '../read-input.ts';
import { agentId, checked } from '../usage.ts';
import { diagnose } from './diagnose.ts';

const listOptions = z.object({
  group: groupName.optional(),
  state: agentState.optional(),
});
const banOptions = z.object({ name: z.boolean().default(false) });
const moveOptions = z.object({ group: groupName });
const admitOptions = z.object({ group: groupName, request: z.string() });
/** `none` clears it. */
const updateOptions = z.object({
  certificateIdentity: z.union([z.literal('none').transform(() => null), certificateIdentity], {
    error: 'use uri:, dns: (in lower case), ip: or key: and that name of the certificate, or none',
  }),
});
const diagnoseOptions = z.object({ timeout: duration });

/** `agent list`, `agent show`, `agent admit`, `agent update`, `agent revoke`, `agent ban`, `agent move` and `agent diagnose`. */
export function addAgentCommands(program: Command, context: Context): void {
  const agents = program.command('agent').description('Enrolled agents');
  addLooks(agents, context);
  addAdmit(agents, context);
  addChanges(agents, context);
}

function addLooks(agents: Command, context: Context): void {
  agents
    .command('list')
    .description('List agents')
    .option('--group <group>', 'only those of this group')
    .option('--state <state>', `only those that are ${agentState.options.join(', ')}`)
    .action(async (options: unknown) => {
      const { group, state } = checked(listOptions, options);
      using api = await openApi(context);
      const filter = state === undefined ? {} : { state };
      const path = group === undefined ? route`/agents` : route`/groups/${group}/agents`;
      const items = await api.list(path, agent, filter);
      const headings = [
        'NAME',
        'ID',
        'GROUP',
        'STATE',
        'SINCE',
        'REVISION',
        'LAST SEEN',
        'COPY SEEN',
      ];
      const rows = items.map((item) => [
        item.name,
        item.id,
        item.group,
        stateInWords(item),
        item.stateSince ?? '-',
        String(item.appliedRevision),
        item.lastSeenAt ?? 'never',
        item.clonedAt ?? '-',
      ]);
      const whose = group === undefined ? 'There are no agents' : `${group} has no agents`;
      const none = `${whose}${state === undefined ? '' : ` that are ${state}`}.`;
      context.output.list(items, table(headings, rows, none));
    });

  agents
    .command('show')
    .description('Show an agent')
    .argument('<id>', 'as `agent list` shows it')
    .action(async (given: unknown) => {
      const id = checked(agentId, given, '<id>');
      using api = await openApi(context);
      const found = await api.get(route`/agents/${id}`, agent);
      context.output.result(found, fields(rowsOf(found)));
    });

  addUpdate(agents, context);

  agents
    .command('diagnose')
    .description('Have an agent report on itself, and wait for the report')
    .argument('<id>', 'as `agent list` shows it')
    .option('--timeout <duration>', 'how long to wait', '2m')
    .action(async (given: unknown, options: unknown) => {
      const { timeout } = checked(diagnoseOptions, options);
      await diagnose(context, checked(agentId, given, '<id>'), timeout);
    });
}

function addChanges(agents: Command, context: Context): void {
  agents
    .command('revoke')
    .description('Revoke an agent for ever: it loses its secrets and may not come back')
    .argument('<id>', 'as `agent list` shows it')
    .action(async (given: unknown) => {
      const id = checked(agentId, given, '<id>');
      using api = await openApi(context);
      const revoked = await api.post(route`/agents/${id}/revoke`, undefined, agent);
      context.output.result(revoked, `Revoked the agent ${revoked.name} (${id}).`);
    });

  agents
    .command('ban')
    .description('Revoke an agent, and let its keys enrol nowhere again')
    .argument('<id>', 'as `agent list` shows it')
    .option('--name', 'let no agent of its name join its group either')
    .action(async (given: unknown, options: unknown) => {
      const id = checked(agentId, given, '<id>');
      const { name } = checked(banOptions, options);
      using api = await openApi(context);
      const made = await api.post(route`/agents/${id}/ban`, { banName: name }, ban);
      const too = made.bannedName === null ? '' : `, and its name in ${made.group}`;
      context.output.result(made, `Banned the agent ${made.agentName} (${id})${too}.`);
    });

  agents
    .command('move')
    .description('Put an agent into another group, which it learns by itself')
    .argument('<id>', 'as `agent list` shows it')
    .requiredOption('--group <group>', 'group that it is to be in')
    .action(async (given: unknown, options: unknown) => {
      const id = checked(agentId, given, '<id>');
      const { group } = checked(moveOptions, options);
      using api = await openApi(context);
      const moved = await api.post(route`/agents/${id}/move`, { group }, agent);
      context.output.result(moved, `Moved the agent ${moved.name} (${id}) to ${moved.group}.`);
    });
}

function addAdmit(agents: Command, context: Context): void {
  agents
    .command('admit')
    .description('Make an agent of a host that never has a network, by the request it made')
    .requiredOption('--group <group>', 'group')
    .requiredOption(
      '--request <file>',
      'what `sallyport-agent bundle request` made, - for standard input',
    )
    .action(async (options: unknown) => {
      const { group, request } = checked(admitOptions, options);
      const json = await readJson(context.terminal, request, '--request');
      const parsed = admissionRequest.safeParse(json);
      if (!parsed.success)
        throw new CliError('input.unusable', 'the file of --request is no request of this version');
      using api = await openApi(context);
      const admitted = await api.post(route`/groups/${group}/agents`, parsed.data, agent);
      const { id, name, keyThumbprint } = admitted;
      context.output.result(
        admitted,
        `Admitted ${name} (${id}) to ${group}.\nIts key is ${keyThumbprint}: compare it with what the host printed, and revoke the agent if it is another.`,
      );
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
      const id = checked(agentId, given, '<id>');
      const body = checked(updateOptions, options);
      using api = await openApi(context);
      const updated = await api.patch(route`/agents/${id}`, body, agent);
      context.output.result(updated, fields(rowsOf(updated)));
    });
}

/** One that enrolled or was admitted, and was not heard of since, counts as active until it is lost. */
function stateInWords({ state, lastSeenAt }: Agent): string {
  return state === 'active' && lastSeenAt === null ? 'never seen' : state;
}

function rowsOf(found: Agent) {
  const { facts } = found;
  return [
    ['Name', found.name],
    ['Id', found.id],
    ['Group', found.group],
    [
      'State',
      found.stateSince === null ? stateInWords(found) : `${found.state} since ${found.stateSince}`,
    ],
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
