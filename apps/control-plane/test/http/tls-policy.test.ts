import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { loadConfig } from '@sallyport/config/load';
import { makeAuthority } from '@sallyport/tls/test/authority';
import { openSslClient } from '@sallyport/tls/test/openssl';
import { replaceCertificate } from '../../src/http/certificate-renewal.ts';
import { serverConfig, type ServerConfig } from '../../src/platform/config.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';

const ONE_SUITE = 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256';
const OPENSSL_NAME = 'ECDHE-ECDSA-AES128-GCM-SHA256';

let controlPlane: TestControlPlane;
let config: ServerConfig;
let ports: { operatorApi: number; agentApi: number };
beforeAll(async () => {
  const env = {
    SALLYPORT_OPERATOR_API_TLS_MIN_VERSION: 'TLS1.3',
    SALLYPORT_AGENT_API_TLS_MAX_VERSION: 'TLS1.2',
    SALLYPORT_AGENT_API_TLS_CIPHER_SUITES: ONE_SUITE,
  };
  ({ config } = loadConfig(serverConfig, { env, programName: 'test' }));
  const { operatorApi, agentApi } = config;
  controlPlane = await startControlPlane({ settings: { operatorApi, agentApi } });
  const portOf = async (app: TestControlPlane['agentApp']) =>
    Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
  ports = {
    operatorApi: await portOf(controlPlane.operatorApp),
    agentApi: await portOf(controlPlane.agentApp),
  };
});
afterAll(() => controlPlane.end());

async function expectPolicies(): Promise<void> {
  expect(await openSslClient(ports.operatorApi)).toMatchObject({ version: 'TLSv1.3' });
  expect(await openSslClient(ports.operatorApi, ['-tls1_2'])).toBeUndefined();
  const one = { version: 'TLSv1.2', suite: OPENSSL_NAME };
  expect(await openSslClient(ports.agentApi)).toEqual(one);
  expect(await openSslClient(ports.agentApi, ['-tls1_3'])).toBeUndefined();
  const other = ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384'];
  expect(await openSslClient(ports.agentApi, other)).toBeUndefined();
}

test(
  '[AX-03] [AX-04] [AX-07] each listener negotiates within its own tls block, and refuses the rest',
  expectPolicies,
);

test('[AX-03] [AX-04] [AX-07] a renewed certificate leaves each listener its policy', async () => {
  const authority = await makeAuthority();
  const { operatorApp, agentApp } = controlPlane;
  const certificate = await authority.issue();
  replaceCertificate({ app: operatorApp, tls: config.operatorApi.tls }, certificate);
  replaceCertificate({ app: agentApp, tls: config.agentApi.tls }, certificate);
  await expectPolicies();
});
