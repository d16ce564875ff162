import { describe, expect, test } from '@jest/globals';
import { ConfigError, loadConfig } from '@sallyport/config/load';
import { settingsOf, variablesOf } from '@sallyport/config/settings';
import {
  agentConfig,
  CONFIG_FILE_VARIABLE,
  readAgentConfig,
  TOKEN_FILE_VARIABLE,
  TOKEN_VARIABLE,
} from '../apps/agent/src/config.ts';
import { variables as operatorVariables } from '../apps/cli/src/environment.ts';
import { cliSettings } from '../apps/cli/src/tls-settings.ts';
import { OTHER_PROGRAMS, serverConfig } from '../apps/control-plane/src/platform/config.ts';

const agentVariables = [
  ...settingsOf(agentConfig).flatMap(variablesOf),
  CONFIG_FILE_VARIABLE,
  TOKEN_VARIABLE,
  TOKEN_FILE_VARIABLE,
];
const serverVariables = settingsOf(serverConfig).flatMap(variablesOf);
const cliVariables = [
  ...Object.keys(operatorVariables.shape),
  ...settingsOf(cliSettings).flatMap(variablesOf),
];

/** What a program complains of, but for what it says of values. */
function unknownTo(load: (env: Record<string, string>) => unknown, name: string): string[] {
  try {
    load({ [name]: 'x' });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.filter((problem) => problem.includes('unknown variable'));
  }
}

const server = (env: Record<string, string>) =>
  loadConfig(serverConfig, { env, programName: 'server', otherVariables: OTHER_PROGRAMS });
const agent = (env: Record<string, string>) => readAgentConfig({}, env);

describe('[AX-23] programs that share one environment', () => {
  test.each([...agentVariables, ...cliVariables])('the server lets %s be', (name) => {
    expect(unknownTo(server, name)).toEqual([]);
  });

  test.each([...serverVariables, ...cliVariables])('the agent lets %s be', (name) => {
    expect(unknownTo(agent, name)).toEqual([]);
  });

  test.each(['SALLYPORT_AGENT_LOG_LEVLE', 'SALLYPORT_AGENT_SOKET'])(
    'and both refuse %s, which nobody reads',
    (name) => {
      expect(unknownTo(server, name)).toHaveLength(1);
      expect(unknownTo(agent, name)).toHaveLength(1);
    },
  );
});
