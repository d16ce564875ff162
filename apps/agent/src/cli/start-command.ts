import { quoted } from '@sallyport/config/completion';
import type { ConfigFlags } from '../config.ts';

const PLAIN = /^[\w@%+=:,./-]+$/;

/** What starts the agent of a command that was given these flags, to be typed at a shell. */
export function startCommand({ stateDir, socket, config }: ConfigFlags): string {
  const flags = { '--state-dir': stateDir, '--socket': socket, '--config': config };
  const given = Object.entries(flags).flatMap(([name, path]) =>
    path === undefined ? [] : [name, PLAIN.test(path) ? path : quoted(path)],
  );
  return ['sallyport-agent run', ...given].join(' ');
}
