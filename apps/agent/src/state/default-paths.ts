import { isAbsolute, join } from 'node:path';

/**
 * Where an agent keeps its state unless it is told: the system's place for root, the user's own for others. A relative
 * path is ignored, as the XDG base directory specification asks.
 */
export function defaultStateDirectory(
  env: Readonly<Record<string, string | undefined>>,
  home: string,
  isRoot: boolean,
): string {
  if (isRoot) return '/var/lib/sallyport-agent';
  const { XDG_STATE_HOME: given = '' } = env;
  return join(isAbsolute(given) ? given : join(home, '.local/state'), 'sallyport-agent');
}

/** Where an agent listens unless it is told. */
export function defaultSocket(stateDirectory: string): string {
  return join(stateDirectory, 'agent.sock');
}
