import {
  createdEnrollmentToken,
  createEnrollmentTokenBody,
  enrollmentToken,
  groupName,
  systemInfo,
  uuid,
} from '@sallyport/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { route } from '../api-client.ts';
import { openApi, type Context } from '../context.ts';
import { durationWithin } from '../duration.ts';
import { fields, table } from '../output.ts';
import { checked, wholeNumber } from '../usage.ts';

const groupOption = z.object({ group: groupName });
const createBody = createEnrollmentTokenBody.shape;
const createOptions = z.object({
  group: groupName,
  uses: wholeNumber.pipe(createBody.uses.unwrap()),
  expires: durationWithin(createBody.expiresInSeconds.unwrap()),
  cidr: createBody.cidrs,
});
type EnrollmentToken = z.infer<typeof enrollmentToken>;

/** `token create`, `token list` and `token revoke`. */
export function addTokenCommands(program: Command, context: Context): void {
  const tokens = program
    .command('token')
    .description('Enrollment tokens, which agents show once to join a group');

  tokens
    .command('create')
    .description('Make an enrollment token; it is shown this once')
    .requiredOption('--group <group>', 'group that its bearers join')
    .option('--uses <number>', 'agents that it admits', '1')
    .option(
      '--expires <duration>',
      'how long it is good for, such as 90s, 1h or 7d; at most 30d',
      '1h',
    )
    .option('--cidr <cidr...>', 'networks that it may be used from; any, when none is given')
    .action((options: unknown) => createToken(context, checked(createOptions, options)));

  tokens
    .command('list')
    .description('List the enrollment tokens of a group')
    .requiredOption('--group <group>', 'group')
    .action(async (options: unknown) => {
      const { group } = checked(groupOption, options);
      using api = await openApi(context);
      const items = await api.list(route`/groups/${group}/enrollment-tokens`, enrollmentToken);
      const headings = ['ID', 'STATE', 'USES LEFT', 'EXPIRES', 'NETWORKS'];
      const rows = items.map((item) => rowOf(item, context.clock.now()));
      context.output.list(items, table(headings, rows, `${group} has no enrollment tokens.`));
    });

  tokens
    .command('revoke')
    .description('Revoke an enrollment token; agents that used it stay')
    .argument('<id>', 'as `token list` shows it')
    .requiredOption('--group <group>', 'group')
    .action(async (given: unknown, options: unknown) => {
      const { group } = checked(groupOption, options);
      const id = checked(uuid, given, '<id>');
      using api = await openApi(context);
      await api.delete(route`/groups/${group}/enrollment-tokens/${id}`);
      context.output.result({ id, revoked: true }, `Revoked the token ${id}.`);
    });
}

async function createToken(
  context: Context,
  options: z.infer<typeof createOptions>,
): Promise<void> {
  const { group, uses, expires, cidr } = options;
  using api = await openApi(context);
  // First: without it, a token that is shown once would be of no use.
  const { agentUrl, caFingerprint } = await api.get(route`/system/info`, systemInfo);
  const body = { uses, expiresInSeconds: expires, cidrs: cidr };
  const created = await api.post(
    route`/groups/${group}/enrollment-tokens`,
    body,
    createdEnrollmentToken,
  );
  const enroll = `sallyport-agent enroll --url ${agentUrl} --fingerprint ${caFingerprint} --token-file -`;
  const rows = [
    ['Token', created.token],
    ['Id', created.id],
    ['Uses', String(created.uses)],
    ['Expires', created.expiresAt],
    ['Networks', networksOf(created)],
  ] as const;
  const text = [
    fields(rows),
    '',
    'The token is shown this once. On the agent’s host, run this and give it the token on standard input:',
    `  ${enroll}`,
  ].join('\n');
  context.output.result({ ...created, agentUrl, caFingerprint, enrollCommand: enroll }, text);
}

function rowOf(token: EnrollmentToken, nowMs: number): string[] {
  return [
    token.id,
    stateOf(token, nowMs),
    `${token.usesLeft} of ${token.uses}`,
    token.expiresAt,
    networksOf(token),
  ];
}

function stateOf({ revokedAt, expiresAt, usesLeft }: EnrollmentToken, nowMs: number): string {
  if (revokedAt !== null) return 'revoked';
  if (Date.parse(expiresAt) <= nowMs) return 'expired';
  return usesLeft === 0 ? 'used up' : 'open';
}

function networksOf({ cidrs }: EnrollmentToken): string {
  return cidrs.length === 0 ? 'any' : cidrs.join(', ');
}
