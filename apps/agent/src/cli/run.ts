import { readAgentConfig, type ConfigFlags } from '../config.ts';
import { runDaemon } from '../daemon.ts';
import { closeProcess } from '../host/closed-process.ts';
import { libc } from '../host/libc.ts';
import { logDefect } from '../log-defect.ts';
import { createLog } from '../log.ts';
import type { CliContext } from './context.ts';

const OWNER_ONLY = 0o077;
/** Whatever still hangs then is not worth waiting for. */
const STOP_WITHIN_MS = 1_900;

/** `run`: the daemon, in the foreground, until SIGTERM or SIGINT. */
export async function runAgent(flags: ConfigFlags, { env }: CliContext): Promise<void> {
  process.umask(OWNER_ONLY);
  closeProcess(env);
  libc()?.returnFreed();
  const { config, warnings } = readAgentConfig(flags, env);
  const log = createLog(config.log.level);
  for (const detail of warnings) log.warn({ detail }, 'configuration');
  const stopping = new AbortController();
  const stop = (signal: NodeJS.Signals) => {
    log.info({ signal }, 'stopping');
    setTimeout(() => process.exit(0), STOP_WITHIN_MS).unref();
    stopping.abort();
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
  const onUncaught = (error: Error) => logDefect(log, error);
  // Before the program's own listener, which ends it.
  process.prependListener('uncaughtException', onUncaught);
  try {
    await runDaemon(config, { log, env, signal: stopping.signal });
  } finally {
    process.off('uncaughtException', onUncaught);
    process.off('SIGTERM', stop).off('SIGINT', stop);
  }
}
