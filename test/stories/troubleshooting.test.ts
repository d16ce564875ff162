import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { checks } from '../../apps/agent/src/doctor/checks.ts';
import { exitCodes } from '../../apps/agent/src/exit-codes.ts';
import { exitCodes as exitCodesOfCli } from '../../apps/cli/src/exit-codes.ts';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/troubleshooting.md'), 'utf8');
/** Every command of the agent’s program that the page shows. */
const commands = [...page.matchAll(/^bin\/sallyport-agent (.+)$/gm)].map(([, line = '']) => line);

/** The first cells of the table under a heading. */
function tableOf(heading: string): string[] {
  const section = page.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const cells = [...section.matchAll(/^\| +`?([^|`]+?)`? +\|/gm)].map(([, cell = '']) => cell);
  return cells.slice(1).filter((cell) => !cell.startsWith('-'));
}

let installation: Installation;
let replica: Replica;
let host: Host;
beforeAll(async () => {
  installation = await Installation.create();
  replica = await installation.startReplica('control-plane');
  const owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'plant-7' });
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'v' });
  host = await installation.enrolledHost(owner, replica, 'plant-7', 'host');
  await host.run();
  await host.untilSecret('s', 'v');
  await host.untilHealth(({ durable }) => durable.revision !== null);
}, 60_000);
afterAll(() => installation.end());

const shown = (name: string) => commands.filter((line) => line.startsWith(name));

test('[BM-06] the commands of the page that check everything find nothing, and the page names each check', async () => {
  expect(shown('doctor')).toHaveLength(2);
  for (const line of shown('doctor')) {
    const { code, stdout, stderr } = await host.agent(line.split(' '));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const check of tableOf('Everything at once')) expect(stdout).toContain(check);
    expect(stdout).not.toContain('failed');
  }
  const names = ['configuration', ...checks.map(([name]) => name)];
  expect(tableOf('Everything at once')).toEqual(names);
});

test('[BM-22] the commands of the page that verify the link show both fingerprints, and the page names each line', async () => {
  expect(shown('link verify')).toHaveLength(2);
  const documented = tableOf('The link alone');
  for (const line of shown('link verify')) {
    const { code, stdout, stderr } = await host.agent(line.split(' '));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(replica.agentUrl);
    expect(stdout.match(/SHA256:[0-9A-F:]{95}/g)?.length).toBeGreaterThan(1);
    const names = line.endsWith('--json')
      ? []
      : stdout
          .trimEnd()
          .split('\n')
          .map((text) => text.slice(0, 15).trim());
    for (const name of names) expect(documented).toContain(name);
    const rare = ['not known', 'warning'];
    if (names.length > 0) expect([...new Set(names), ...rare]).toEqual(documented);
  }
});

test('[F-08] the certificates that the control plane makes begin an hour before, for clocks that are behind', async () => {
  const { stdout } = await host.agent(['link', 'verify', '--json']);
  const { certificates } = z
    .object({ certificates: z.array(z.object({ notBefore: z.iso.datetime() })).length(2) })
    .parse(JSON.parse(stdout));
  for (const { notBefore } of certificates)
    expect(Date.now() - Date.parse(notBefore)).toBeGreaterThanOrEqual(3_600_000);
});

test('with the control plane gone both say so, with the exit codes of the page', async () => {
  await replica.process.stop();
  expect(await host.agent(['link', 'verify'])).toMatchObject({
    code: 10,
    stderr: expect.stringMatching(/^sallyport-agent: [^\n]*refused the connection[^\n]*$/),
  });
  const { code, stdout } = await host.agent(['doctor']);
  expect(code).toBe(11);
  expect(stdout).toMatch(/^failed +connection .*refused the connection/m);
});

test.each([
  ['Exit codes', exitCodes],
  ['Exit codes of sallyport', exitCodesOfCli],
])('the page has every exit code: %s', (heading, codes) => {
  expect(tableOf(heading)).toEqual(Object.values(codes).map(String));
});
