import { describe, expect, test } from '@jest/globals';
import { settingsOf, variablesOf } from '@sallyport/config/settings';
import { agentConfig } from '../apps/agent/src/config.ts';
import { serverConfig } from '../apps/control-plane/src/platform/config.ts';

const ofLink = 'SALLYPORT_AGENT_CONTROL_PLANE';
const ofTcp = 'SALLYPORT_AGENT_LOCAL_API_TCP';

/** Where files of certificates are set, on either side, and how the variables begin. */
const blocks = [
  ['agent', agentConfig, 'listen.keystore', 'SALLYPORT_AGENT_LISTEN_KEYSTORE'],
  ['agent', agentConfig, 'listen.truststore', 'SALLYPORT_AGENT_LISTEN_TRUSTSTORE'],
  ['control plane', serverConfig, 'dialer.keystore', 'SALLYPORT_DIALER_KEYSTORE'],
  ['control plane', serverConfig, 'dialer.truststore', 'SALLYPORT_DIALER_TRUSTSTORE'],
  ['agent', agentConfig, 'controlPlane.keystore', `${ofLink}_KEYSTORE`],
  ['agent', agentConfig, 'controlPlane.truststore', `${ofLink}_TRUSTSTORE`],
  ['agent', agentConfig, 'localApi.tcp.keystore', `${ofTcp}_KEYSTORE`],
  ['agent', agentConfig, 'localApi.tcp.truststore', `${ofTcp}_TRUSTSTORE`],
  ['control plane', serverConfig, 'operatorApi.keystore', 'SALLYPORT_OPERATOR_API_KEYSTORE'],
  ['control plane', serverConfig, 'agentApi.keystore', 'SALLYPORT_AGENT_API_KEYSTORE'],
  ['control plane', serverConfig, 'agentApi.truststore', 'SALLYPORT_AGENT_API_TRUSTSTORE'],
] as const;

describe.each(blocks)('[BM-06] [BM-19] [BM-20] of the %s', (_, schema, block, variable) => {
  test(`${block} has a file, a type and a password, which may come from a file and is a secret`, () => {
    const settings = settingsOf(schema).filter(({ key }) => key.startsWith(`${block}.`));
    expect(settings.map(({ key }) => key)).toEqual(
      ['file', 'type', 'password'].map((name) => `${block}.${name}`),
    );
    expect(settings.map(variablesOf)).toEqual([
      [`${variable}_FILE`],
      [`${variable}_TYPE`],
      [`${variable}_PASSWORD`, `${variable}_PASSWORD_FILE`],
    ]);
    expect(settings.map(({ secret }) => secret)).toEqual([false, false, true]);
  });
});
