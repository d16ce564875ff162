import { expect, test } from '@jest/globals';
import { settingsOf } from '@sallyport/config/settings';
import { agentConfig } from '../config.ts';
import { withoutCredentials } from './context.ts';

const secrets = settingsOf(agentConfig).flatMap(({ secret, variable = '' }) =>
  secret && variable !== '' ? [variable] : [],
);

test('the agent has secrets that the environment gives', () => {
  expect(secrets).toEqual(
    expect.arrayContaining([
      'SALLYPORT_AGENT_CONTROL_PLANE_KEYSTORE_PASSWORD',
      'SALLYPORT_AGENT_PROXY_PASSWORD',
      'SALLYPORT_AGENT_PROXY_URL',
    ]),
  );
});

test.each([...secrets, 'SALLYPORT_ENROLLMENT_TOKEN'])(
  'a command is not given %s, but the file that its _FILE names, and all else',
  (name) => {
    const rest = {
      [`${name}_FILE`]: '/run/secrets/one',
      SALLYPORT_AGENT_SOCKET: '/run/agent.sock',
      PASSWORD: 'the command’s own',
      PATH: '/bin',
    };
    expect(withoutCredentials({ [name]: 'canary', ...rest })).toEqual(rest);
  },
);
