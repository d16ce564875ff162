import { jsonText, MAX_LEASE_SECONDS, resourceName, uuid } from '@sallyport/contract';
import { AgentError } from '../agent-error.ts';
import { readAgentConfig, type ConfigFlags } from '../config.ts';
import { leaseReply, lentReply } from '../local-api/replies.ts';
import type { CliContext } from './context.ts';
import { LocalClient, VALUES_TIMEOUT_MS } from './local-client.ts';
import { ASKING_AGENT, waitingFor } from './waiting-for.ts';

export type LeaseFlags = ConfigFlags & { json?: boolean; ttl?: string };

const ASKING = 'asking the control plane, through the agent';

/** `lease take`: a secret that is lent out; its value, and on standard error the lease’s id, unless in JSON. */
export async function takeLease(
  secret: string,
  flags: LeaseFlags,
  context: CliContext,
): Promise<void> {
  if (!resourceName.safeParse(secret).success)
    throw new AgentError('usage.invalid', 'that cannot be the name of a secret');
  const body = { secret, ...ttlOf(flags) };
  const asked = clientOf(flags, context).send('POST', '/v1/leases', lentReply, body);
  const lent = await waitingFor(ASKING, context, asked);
  if (flags.json !== true)
    context.stderr.write(`sallyport-agent: lease ${lent.id}, until ${lent.expiresAt}\n`);
  show(lent, flags, context);
}

/** `lease read`: the value once more. */
export async function readLease(id: string, flags: LeaseFlags, context: CliContext): Promise<void> {
  const asked = clientOf(flags, context).send('GET', pathOf(id), lentReply);
  show(await waitingFor(ASKING_AGENT, context, asked), flags, context);
}

/** `lease renew`. */
export async function renewLease(
  id: string,
  flags: LeaseFlags,
  context: CliContext,
): Promise<void> {
  const path = `${pathOf(id)}/renew`;
  const asked = clientOf(flags, context).send('POST', path, leaseReply, ttlOf(flags));
  const lease = await waitingFor(ASKING, context, asked);
  const told = flags.json === true ? jsonText(lease) : `it lasts until ${lease.expiresAt}`;
  context.stdout.write(`${told}\n`);
}

/** `lease return`: the agent forgets the value. */
export async function returnLease(
  id: string,
  flags: LeaseFlags,
  context: CliContext,
): Promise<void> {
  const asked = clientOf(flags, context).sendOnly('DELETE', pathOf(id));
  await waitingFor(ASKING_AGENT, context, asked);
  const told = flags.json === true ? jsonText({ id, returned: true }) : 'the lease is over';
  context.stdout.write(`${told}\n`);
}

function show(
  lent: { value: string },
  { json }: LeaseFlags,
  { stdout }: Pick<CliContext, 'stdout'>,
): void {
  if (json === true) stdout.write(`${jsonText(lent)}\n`);
  else stdout.write(stdout.isTTY === true ? `${lent.value}\n` : lent.value);
}

function clientOf(flags: LeaseFlags, { env }: CliContext): LocalClient {
  return new LocalClient(readAgentConfig(flags, env).config.socket, VALUES_TIMEOUT_MS);
}

function pathOf(id: string): string {
  if (uuid.safeParse(id).success) return `/v1/leases/${id.toLowerCase()}`;
  throw new AgentError('usage.invalid', 'that cannot be the id of a lease', {
    advice: 'use the one that lease take printed',
  });
}

function ttlOf({ ttl }: LeaseFlags): { ttlSeconds?: number } {
  if (ttl === undefined) return {};
  const ttlSeconds = /^\d+$/.test(ttl) ? Number(ttl) : Number.NaN;
  if (ttlSeconds >= 1 && ttlSeconds <= MAX_LEASE_SECONDS) return { ttlSeconds };
  throw new AgentError(
    'usage.invalid',
    '--ttl is no time that a lease may last, in whole seconds',
    {
      advice: `use 1 to ${MAX_LEASE_SECONDS}, or leave it out for as long as the secret is lent out`,
    },
  );
}
