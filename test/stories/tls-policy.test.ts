import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ANYTHING, openSslClient } from '@sallyport/tls/test/openssl';
import { Installation } from '../fixtures/installation.ts';
import { outcomeOf } from '../fixtures/program.ts';

let installation: Installation;
beforeAll(async () => {
  installation = await Installation.create();
});
afterAll(() => installation.end());

const portOf = (url: string) => Number(new URL(url).port);

test('[AX-06] [AX-10] a control plane that is told to speaks TLS 1.0 to agents, warns of it at the start, and not to operators', async () => {
  const replica = await installation.restart({
    environment: {
      ...(await installation.replicaEnvironment('legacy')),
      SALLYPORT_AGENT_API_TLS_MIN_VERSION: 'TLS1.0',
      SALLYPORT_AGENT_API_TLS_ALLOW_LEGACY: 'true',
    },
  });
  const tls10 = ['-tls1', ...ANYTHING];
  expect(await openSslClient(portOf(replica.agentUrl), tls10)).toEqual({
    version: 'TLSv1',
    suite: 'ECDHE-ECDSA-AES256-SHA',
  });
  expect(await openSslClient(portOf(replica.url), tls10)).toBeUndefined();
  const warnings = replica.process.stderr.filter((line) => line.includes('configuration warning'));
  expect(warnings.map((line) => JSON.parse(line).reason)).toEqual([
    expect.stringMatching(/^agentApi\.tls\.minVersion: TLS 1\.0 and 1\.1 are allowed/),
    expect.stringMatching(/^agentApi\.tls\.cipherSuites: weak suites are allowed/),
  ]);
  await replica.process.stop();
});

test('[AX-06] [AX-09] a policy that cannot be is refused with every key, its variable and the way out', async () => {
  const { code, stderr } = await outcomeOf(
    installation.start('control-plane', [], {
      ...(await installation.replicaEnvironment('refused')),
      SALLYPORT_OPERATOR_API_TLS_MAX_VERSION: 'TLS1.1',
      SALLYPORT_AGENT_API_TLS_MIN_VERSION: 'TLSv1.2',
      SALLYPORT_AGENT_API_TLS_CIPHER_SUITES: 'TLS_AES_128_GCM_SHA256,TLS_RSA_WITH_RC4_128_SHA',
    }),
  );
  expect(code).toBe(2);
  expect(stderr.split('\n')).toEqual([
    'sallyport-server: the configuration has 3 problems',
    expect.stringMatching(
      /^ {2}operatorApi\.tls\.maxVersion \(SALLYPORT_OPERATOR_API_TLS_MAX_VERSION\): is a version that is broken; set TLS1.2 or TLS1.3/,
    ),
    expect.stringMatching(
      /^ {2}agentApi\.tls\.minVersion \(SALLYPORT_AGENT_API_TLS_MIN_VERSION\): invalid option: expected one of "TLS1\.0"/,
    ),
    expect.stringMatching(
      /^ {2}agentApi\.tls\.cipherSuites\[1\] \(SALLYPORT_AGENT_API_TLS_CIPHER_SUITES\): names a suite of RC4, which is not provided by this TLS library/,
    ),
  ]);
});
