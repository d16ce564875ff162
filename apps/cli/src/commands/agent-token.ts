import {
  agentToken,
  createAgentTokenBody,
  createdAgentToken,
  rotateAgentTokenBody,
  uuid,
  type AgentToken,
} from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { durationWithin } from '../duration.ts';
import { fields, table } from '../output.ts';
import { agentId, checked, wholeNumber } from '../usage.ts';

const AGENT = ['<agent>', 'as `agent list` shows it'] as const;
const TOKEN = ['<id>', 'as `agent-token list` shows it'] as const;
const days = wholeNumber.pipe(createAgentTokenBody.shape.expiresInDays.unwrap());
const createOptions = z.object({ days });
const rotateOptions = z.object({
  overlap: durationWithin(rotateAgentTokenBody.shape.overlapSeconds.unwrap()),
  days,
});

/** `agent-token create`, `list`, `rotate` and `revoke`. */
export function addAgentTokenCommands(program: Command, context: Context): void {
  const tokens = program
    .command('agent-token')
    .description('Tokens with which agents open sessions, together with their keys');
  addMaking(tokens, context);

  tokens
    .command('list')
    .description('List the tokens of an agent')
    .argument(...AGENT)
    .action(async (given: unknown) => {
      using api = await openApi(context);
      const items = await api.list(
        route`/agents/${checked(agentId, given, '<agent>')}/tokens`,
        agentToken,
      );
      const headings = ['ID', 'STATE', 'EXPIRES', 'LAST USED'];
      const rows = items.map((item) => [
        item.id,
        item.state,
        item.expiresAt,
        item.lastUsedAt ?? 'never',
      ]);
      context.output.list(items, table(headings, rows, 'This agent has no tokens.'));
    });

  tokens
    .command('revoke')
    .description('End an agent token now, and the sessions that it opened')
    .argument(...AGENT)
    .argument(...TOKEN)
    .action(async (agent: unknown, given: unknown) => {
      const id = checked(uuid, given, '<id>');
      const path = route`/agents/${checked(agentId, agent, '<agent>')}/tokens/${id}/revoke`;
      using api = await openApi(context);
      await api.postNothing(path);
      context.output.result({ id, revoked: true }, `Revoked the agent token ${id}.`);
    });
}

function addMaking(tokens: Command, context: Context): void {
  tokens
    .command('create')
    .description('Make a token for an agent; it is shown this once')
    .argument(...AGENT)
    .option('--days <number>', 'how long it lives', '90')
    .action(async (agent: unknown, options: unknown) => {
      const path = route`/agents/${checked(agentId, agent, '<agent>')}/tokens`;
      const { days: expiresInDays } = checked(createOptions, options);
      using api = await openApi(context);
      showOnce(context, await api.post(path, { expiresInDays }, createdAgentToken));
    });

  tokens
    .command('rotate')
    .description('Make a token that takes the place of one; it is shown this once')
    .argument(...AGENT)
    .argument(...TOKEN)
    .option('--overlap <duration>', 'how long the old token goes on, such as 0s, 1h or 7d', '1d')
    .option('--days <number>', 'how long the new one lives', '90')
    .action(async (agent: unknown, given: unknown, options: unknown) => {
      const id = checked(uuid, given, '<id>');
      const path = route`/agents/${checked(agentId, agent, '<agent>')}/tokens/${id}/rotate`;
      const { overlap: overlapSeconds, days: expiresInDays } = checked(rotateOptions, options);
      using api = await openApi(context);
      const body = { overlapSeconds, expiresInDays };
      showOnce(context, await api.post(path, body, createdAgentToken));
    });
}

function showOnce({ output }: Context, created: z.infer<typeof createdAgentToken>): void {
  const rows = [['Token', created.token] as const, ...rowsOf(created)];
  output.result(created, `${fields(rows)}\n\nThe token is shown this once.`);
}

function rowsOf(token: AgentToken) {
  return [
    ['Id', token.id],
    ['State', token.state],
    ['Expires', token.expiresAt],
    ['Made by', token.createdBy],
  ] as const;
}
