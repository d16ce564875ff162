import { groupName, lease, leaseState, uuid, type Lease, type LeaseEnd } from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { table } from '../output.ts';
import { checked } from '../usage.ts';

const groupOption = z.object({ group: groupName });
const listOptions = groupOption.extend({ state: leaseState.optional() });

const inWords: Record<LeaseEnd, string> = {
  revoked: 'revoked',
  returned: 'returned',
  usedUp: 'used up',
  secretDeleted: 'secret deleted',
  agentRevoked: 'agent revoked',
  agentMoved: 'agent moved',
  forgotten: 'forgotten by its agent',
};

/** `lease list` and `lease revoke`. */
export function addLeaseCommands(program: Command, context: Context): void {
  const leases = program
    .command('lease')
    .description('Secrets that are lent out, and the programs that hold them');

  leases
    .command('list')
    .description('List the leases of a group, newest first')
    .requiredOption('--group <group>', 'group')
    .option('--state <state>', 'only these: active, expired, or ended before their time')
    .action(async (options: unknown) => {
      const { group, state } = checked(listOptions, options);
      using api = await openApi(context);
      const query = state === undefined ? {} : { state };
      const items = await api.list(route`/groups/${group}/leases`, lease, query);
      const rows = items.map((item) => [
        item.id,
        item.secret,
        stateOf(item),
        item.agentName,
        programOf(item),
        item.expiresAt,
      ]);
      context.output.list(
        items,
        table(
          ['ID', 'SECRET', 'STATE', 'AGENT', 'PROGRAM', 'EXPIRES'],
          rows,
          `${group} has no leases.`,
        ),
      );
    });

  leases
    .command('revoke')
    .description('End a lease: its agent forgets the value at once')
    .argument('<id>')
    .requiredOption('--group <group>', 'group')
    .action(async (given: unknown, options: unknown) => {
      const { group } = checked(groupOption, options);
      const id = checked(uuid, given, '<id>');
      using api = await openApi(context);
      const ended = await api.post(route`/groups/${group}/leases/${id}/revoke`, {}, lease);
      context.output.result(ended, `The lease ${id} of ${ended.secret} is ${stateOf(ended)}.`);
    });
}

function stateOf({ state, endedHow }: Lease): string {
  return endedHow === null ? state : inWords[endedHow];
}

function programOf({ application: { listener, pid, uid } }: Lease): string {
  const process = pid === null ? '' : `pid ${pid} of user ${uid ?? '?'}, at `;
  return `${process}${listener}`;
}
