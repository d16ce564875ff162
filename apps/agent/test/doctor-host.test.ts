import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, type Enrolled } from './harness.ts';
import { runAgent, runAgentProcess } from './run-agent.ts';

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
  expect(there.stdout).toMatch(/^ok +configuration .*none is named by --config/m);
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

test('[SG-35] doctor looks at the folders, users and groups of programs’ sockets', async () => {
  const config = join(enrolled.home.path, 'sockets.yaml');
  const sockets = [
    `{ path: ${enrolled.home.path}/a.sock, group: root }`,
    `{ path: ${enrolled.home.path}/nowhere/a.sock }`,
    `{ path: ${enrolled.home.path}/b.sock, group: nogroup-here }`,
  ];
  await writeFile(config, `localApi: { sockets: [${sockets.join()}] }`, { mode: 0o600 });
  const state = ['--state-dir', enrolled.stateDir, '--config', config];
  const { code, stdout } = await runAgent(['doctor', ...state]);
  expect(code).toBe(11);
  expect(stdout).toContain(`${config} is valid`);
  expect(stdout.match(/^\S+ +program sockets .*$/gm)).toEqual([
    expect.stringMatching(/^ok .* can be used$/),
    expect.stringMatching(/^failed .*nowhere is missing/),
    expect.stringMatching(/^failed .*there is no group nogroup-here in/),
  ]);
});
