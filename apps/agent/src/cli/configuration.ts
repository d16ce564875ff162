import { ConfigError } from '@sallyport/config/load';
import { settingsOf, variablesOf, type Setting } from '@sallyport/config/settings';
import { jsonText } from '@sallyport/contract';
import { AgentError, sentenceOf } from '../agent-error.ts';
import { agentConfig, readAgentConfig, type ConfigFlags } from '../config.ts';
import { exitCodes } from '../exit-codes.ts';
import type { SocketSettings } from '../local-api-settings.ts';
import { socketAccessOf } from '../local-api/socket-access.ts';
import type { CliContext } from './context.ts';
import { reportNotice } from './report-failure.ts';

type PrintFlags = ConfigFlags & { json?: boolean };

const GOOD =
  'The configuration is good. Whether its files, folders and addresses can be used on this host: sallyport-agent doctor';

/**
 * `config check`: whether `run` would take the configuration, without a warning, and knows the users and groups in it.
 * Returns the exit code.
 */
export function checkConfig(flags: PrintFlags, { env, stdout }: CliContext): number {
  const problems = problemsOf(flags, env);
  if (flags.json === true) stdout.write(`${jsonText({ ok: problems.length === 0, problems })}\n`);
  else if (problems.length === 0) stdout.write(`${GOOD}\n`);
  // The report is the answer, and is where answers are.
  else for (const problem of problems) reportNotice(problem, { stderr: stdout });
  return problems.length === 0 ? exitCodes.ok : exitCodes.usage;
}

function problemsOf(flags: ConfigFlags, env: CliContext['env']): string[] {
  try {
    const { config, warnings } = readAgentConfig(flags, env);
    return [...warnings, ...config.localApi.sockets.flatMap(unknownIn)];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [...error.problems];
  }
}

function unknownIn(socket: SocketSettings): string[] {
  try {
    socketAccessOf(socket);
    return [];
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return [sentenceOf(error)];
  }
}

/** `config reference`: every key that can be set, with its variable, its default and what it is. */
export function printReference({ json }: { json?: boolean }, { stdout }: CliContext): void {
  const keys = settingsOf(agentConfig);
  stdout.write(json === true ? `${jsonText(keys.map(shown))}\n` : keys.map(textOf).join('\n'));
}

function shown(setting: Setting) {
  const { key, optional, defaultValue, secret, description } = setting;
  return {
    key,
    variables: variablesOf(setting),
    required: !optional,
    default: defaultValue ?? null,
    secret,
    description: description ?? '',
  };
}

function textOf(setting: Setting): string {
  const { key, variables, required, default: byDefault, description } = shown(setting);
  const unless = required
    ? 'required'
    : `default ${byDefault === null ? 'unset' : JSON.stringify(byDefault)}`;
  const from = variables.length === 0 ? 'file only' : variables.join(', ');
  return `${key}\n  ${description}\n  ${from}; ${unless}\n`;
}
