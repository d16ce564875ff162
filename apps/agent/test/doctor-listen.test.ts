import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { z } from 'zod';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, type Enrolled } from './harness.ts';
import { runAgent, runAgentProcess } from './run-agent.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let env: { SALLYPORT_AGENT_STATE_DIR: string; SALLYPORT_AGENT_LISTEN_ADDRESS: string };
beforeEach(async () => {
  double = await ControlPlaneDouble.start();
  enrolled = await enrollWith(double);
  env = {
    SALLYPORT_AGENT_STATE_DIR: enrolled.stateDir,
    SALLYPORT_AGENT_LISTEN_ADDRESS: '127.0.0.1:9444',
  };
});
afterEach(async () => {
  await double.stop();
  await enrolled.home.remove();
});

const report = z.object({
  findings: z.array(z.object({ check: z.string(), outcome: z.string(), detail: z.string() })),
});

test('[BM-06] doctor reports each file of an agent that listens, for the control plane and for programs, and leaves the link to who dials it', async () => {
  const missing = (name: string) => join(enrolled.home.path, `${name}.p12`);
  const files = {
    SALLYPORT_AGENT_LISTEN_KEYSTORE_FILE: missing('keystore'),
    SALLYPORT_AGENT_LISTEN_TRUSTSTORE_FILE: missing('truststore'),
    SALLYPORT_AGENT_LOCAL_API_TCP_KEYSTORE_FILE: missing('programs'),
    SALLYPORT_AGENT_LOCAL_API_TCP_TOKEN_FILE: missing('token'),
  };
  const { code, stdout } = await runAgent(['doctor', '--json'], { env: { ...env, ...files } });
  const { findings } = report.parse(JSON.parse(stdout));
  const of = (check: string) => findings.filter((each) => each.check === check);
  expect(code).toBe(11);
  expect(of('files')).toMatchObject([
    { outcome: 'failed', detail: `${missing('keystore')} is missing` },
    { outcome: 'failed', detail: `${missing('truststore')} is missing` },
    { outcome: 'failed', detail: `${missing('programs')} is missing` },
    { outcome: 'failed', detail: `${missing('token')} is missing` },
  ]);
  for (const check of ['name resolution', 'connection'])
    expect(of(check)).toMatchObject([
      { outcome: 'skipped', detail: expect.stringMatching(/sallyport link show/) },
    ]);
});

test('[BM-03] an agent that was enrolled to be dialled and is not told where to listen says so', async () => {
  const path = join(enrolled.stateDir, 'identity.json');
  const identity = await readFile(path, 'utf8');
  const dialled = { ...JSON.parse(identity), controlPlane: 'https://control-plane.invalid' };
  await writeFile(path, JSON.stringify(dialled));
  const { SALLYPORT_AGENT_STATE_DIR } = env;
  const alone = { SALLYPORT_AGENT_STATE_DIR };
  const run = await runAgentProcess(['run'], alone);
  const verify = await runAgent(['link', 'verify'], { env: alone });
  for (const { code, stderr } of [run, verify]) {
    expect(code).toBe(2);
    expect(stderr).toContain('set listen.address, as at its enrolment');
  }
});

test('link verify of an agent that listens says where to ask', async () => {
  const { code, stderr } = await runAgent(['link', 'verify'], { env });
  expect(code).toBe(2);
  expect(stderr).toContain('sallyport link show');
});
