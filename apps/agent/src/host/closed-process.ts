import { AgentError } from '../agent-error.ts';
import { libc } from './libc.ts';

/** Options of Node that hand what this process holds to others, and that nothing takes back once it runs. */
const EXPOSING =
  /^--(inspect|inspect-brk|inspect-wait|heapsnapshot-signal|heapsnapshot-near-heap-limit|tls-keylog)$/;

/**
 * Closes this process to debuggers, diagnostic reports and core dumps for as long as it runs. What the host cannot
 * do is left out, and told by `/healthz`.
 *
 * @throws AgentError `process.exposed` where Node was started to be looked into
 */
export function closeProcess(nodeOptions: string | undefined): void {
  refuseExposed(nodeOptions);
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

/** Node takes an option's underscores for hyphens. */
function nameOf(option: string): string {
  return option.replace(/=.*/s, '').replaceAll('_', '-');
}

/** However it was opened. */
function inspectorOption(): string | undefined {
  return process.getBuiltinModule('node:inspector').url() === undefined ? undefined : '--inspect';
}
