import { OLDEST_PROTOCOL, PROTOCOL } from '@sallyport/contract';
import { z } from 'zod';
import { AppError } from '../platform/app-error.ts';

/**
 * `oldest` is higher than what this control plane speaks where a group holds what older agents cannot read, and for
 * an agent that was moved.
 *
 * @throws AppError `protocol.unsupported` for an agent too old or too new
 */
export function checkProtocol(protocol: number, oldest = OLDEST_PROTOCOL): void {
  if (protocol >= oldest && protocol <= PROTOCOL) return;
  const wayOut = protocol > PROTOCOL ? 'upgrade the control plane first' : 'upgrade the agent';
  throw new AppError(
    'protocol.unsupported',
    `${oldest > OLDEST_PROTOCOL ? 'What this group holds, or being moved to it, needs' : 'This control plane speaks'} agent protocols ${oldest} to ${PROTOCOL}; ${wayOut}.`,
  );
}

const naming = z.looseObject({ protocol: z.int() });

/**
 * A hook that runs before the body is validated: a newer agent may send what is not known here, and is to be told
 * so, not that its request is malformed.
 *
 * @throws AppError `protocol.unsupported`
 */
export async function checkProtocolFirst({ body }: { body: unknown }): Promise<void> {
  const named = naming.safeParse(body);
  if (named.success) checkProtocol(named.data.protocol);
}
