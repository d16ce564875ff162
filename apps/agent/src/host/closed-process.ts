import type { Environment } from '@sallyport/config/load';
import { AgentError } from '../agent-error.ts';
import { libc } from './libc.ts';

/** Options of Node that hand what this process holds to others, and that nothing takes back once it runs. */
const EXPOSING =
  /^--(inspect|inspect-brk|inspect-wait|heapsnapshot-signal|heapsnapshot-near-heap-limit|tls-keylog|experimental-config-file|experimental-default-config-file)$/;
/** Variables that make Node print what it sends and gets, headers with tokens among it. */
const TELLING = ['NODE_DEBUG', 'NODE_DEBUG_NATIVE'];

/**
 * Closes this process to debuggers, diagnostic reports and core dumps for as long as it runs. What the host cannot
 * do is left out, and told by `/healthz`.
 *
 * @throws AgentError `process.exposed` where Node was started to be looked into
 */
export function closeProcess(env: Environment): void {
  refuseExposed(env['NODE_OPTIONS']);
  refuseTelling(env);
  // In place of Node's own listener, which opens a debugger's port.
  process.on('SIGUSR1', () => {});
  process.report.reportOnSignal = false;
  process.report.reportOnFatalError = false;
  process.report.reportOnUncaughtException = false;
  libc()?.forbidDumps();
}

function refuseExposed(nodeOptions = ''): void {
  const given = [...process.execArgv, ...nodeOptions.split(/[\s"]+/)].map(nameOf);
  const option = given.find((name) => EXPOSING.test(name)) ?? inspectorOption();
  if (option === undefined) return;
  throw new AgentError(
    'process.exposed',
    `Node was started with ${option}, which lets others read what this process holds`,
    { advice: 'take it out of the command, of NODE_OPTIONS and of Node’s configuration file' },
  );
}

function refuseTelling(env: Environment): void {
  const variable = TELLING.find((name) => (env[name] ?? '') !== '');
  if (variable === undefined) return;
  throw new AgentError(
    'process.exposed',
    `Node was started with ${variable}, which prints what this process sends`,
    { advice: 'take it out of the environment' },
  );
}

/** Node takes an option's underscores for hyphens. */
function nameOf(option: string): string {
  return option.replace(/=.*/s, '').replaceAll('_', '-');
}

/** However it was opened. */
function inspectorOption(): string | undefined {
  return process.getBuiltinModule('node:inspector').url() === undefined ? undefined : '--inspect';
}
