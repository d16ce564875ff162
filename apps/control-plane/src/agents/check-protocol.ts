import { OLDEST_PROTOCOL, PROTOCOL } from '@sallyport/contract';
import { AppError } from '../platform/app-error.ts';

/**
 * `oldest` is higher than what this control plane speaks where a group holds what older agents cannot read.
 *
 * @throws AppError `protocol.unsupported` for an agent too old or too new
 */
export function checkProtocol(protocol: number, oldest = OLDEST_PROTOCOL): void {
  if (protocol >= oldest && protocol <= PROTOCOL) return;
  const wayOut = protocol > PROTOCOL ? 'upgrade the control plane first' : 'upgrade the agent';
  throw new AppError(
    'protocol.unsupported',
    `${oldest > OLDEST_PROTOCOL ? 'What this group holds needs' : 'This control plane speaks'} agent protocols ${oldest} to ${PROTOCOL}; ${wayOut}.`,
  );
}
