import { OLDEST_PROTOCOL, PROTOCOL } from '@sallyport/contract';
import { AppError } from '../platform/app-error.ts';

/** @throws AppError `protocol.unsupported` for an agent too old or too new for this control plane */
export function checkProtocol(protocol: number): void {
  if (protocol >= OLDEST_PROTOCOL && protocol <= PROTOCOL) return;
  const wayOut = protocol > PROTOCOL ? 'upgrade the control plane first' : 'upgrade the agent';
  throw new AppError(
    'protocol.unsupported',
    `This control plane speaks agent protocols ${OLDEST_PROTOCOL} to ${PROTOCOL}; ${wayOut}.`,
  );
}
