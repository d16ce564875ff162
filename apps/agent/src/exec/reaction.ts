import { constants } from 'node:os';
import { AgentError } from '../agent-error.ts';

/** What is done with a command when a value that it was given has changed. */
export type Reaction =
  | { do: 'ignore' }
  | { do: 'restart' }
  | { do: 'signal'; signal: NodeJS.Signals };

/** Reads `--on-change`. @throws AgentError `usage.invalid` */
export function parseReaction(text: string): Reaction {
  if (text === 'ignore' || text === 'restart') return { do: text };
  const signal = text.startsWith('signal:') ? text.slice('signal:'.length) : '';
  if (isSignal(signal)) return { do: 'signal', signal };
  throw new AgentError('usage.invalid', '--on-change is none of what it can be', {
    advice: 'use restart, ignore, or signal: with the name of a signal, such as signal:SIGHUP',
  });
}

function isSignal(text: string): text is NodeJS.Signals {
  return Object.hasOwn(constants.signals, text);
}
