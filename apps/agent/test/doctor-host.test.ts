import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, type Enrolled } from './harness.ts';
import { runAgentProcess } from './run-agent.ts';

let double: ControlPlaneDouble;
let enrolled: Enrolled;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  enrolled = await enrollWith(double);
});
afterAll(async () => {
  await double.stop();
  await enrolled.home.remove();
});

test('[SG-33] [SG-38] doctor tells where keys are not locked, and where nobody tells whose programs ask', async () => {
  const env = {
    SALLYPORT_AGENT_STATE_DIR: enrolled.stateDir,
    SALLYPORT_AGENT_SOCKET: enrolled.socket,
  };
  const there = await runAgentProcess(['doctor'], env);
  expect(there.stdout).toMatch(/^ok +programs +it is known whose/m);
  expect(there.stdout).toMatch(/^ok +memory +keys are never swapped out/m);
  const without = { ...env, NODE_OPTIONS: '--no-experimental-ffi' };
  const { code, stdout } = await runAgentProcess(['doctor'], without);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^warning +programs +it is not known whose/m);
  expect(stdout).toMatch(
    /^warning +memory +keys of values may be swapped out: this Node cannot call/m,
  );
  const config = join(enrolled.home.path, 'agent.yaml');
  const named = 'localApi: { sockets: [{ path: /run/a.sock, users: [0] }] }';
  await writeFile(config, named, { mode: 0o600 });
  const needed = await runAgentProcess(['doctor', '--config', config], without);
  expect(needed.code).toBe(11);
  expect(needed.stdout).toMatch(/^failed +programs .*take users out/m);
});
