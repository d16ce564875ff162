import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findCanaries } from '../fixtures/canaries.ts';
import { whyWithoutNetworks, WITHOUT_NETWORK } from '../fixtures/closed-network.ts';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import { shownCommand } from '../fixtures/shown-command.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/offline.md'), 'utf8');
const KEPT = 'carried canary-4b81';
const LATER = 'carried later canary-90d3';
const LIVE = 'never carried canary-e27a';
/** Longer than any bundle of the page lasts. */
const AHEAD_MS = 40 * 86_400_000;
/** A host whose clock is that far ahead. */
const AHEAD = {
  NODE_OPTIONS: `--import=data:text/javascript,const%20now=Date.now.bind(Date);Date.now=()=>now()+${AHEAD_MS}`,
};
const onHost = (start: string, ids: Record<string, string> = {}) =>
  shownCommand(page, start, ids, 'sallyport-agent');

let installation: Installation;
let replica: Replica;
let host: Host;
beforeAll(async () => {
  installation = await Installation.create();
  const environment = {
    ...(await installation.replicaEnvironment('control-plane')),
    SALLYPORT_AGENT_API_PUBLIC_URL: 'https://nowhere.invalid:9443',
  };
  replica = await installation.restart({ environment });
  await installation.logIn(replica);
  await installation.done(['group', 'create', 'demo']);
  const set = ['secret', 'set', '--group', 'demo'];
  await installation.done([...set, '--offline', 'allow', 'db/password'], KEPT);
  await installation.done([...set, '--offline', 'deny', 'db/root'], LIVE);
  // Not even a loopback interface, where the machine allows that.
  host = installation.host('edge', whyWithoutNetworks() === undefined ? WITHOUT_NETWORK : []);
}, 60_000);
afterAll(() => installation.end());

/** Exports as the page says, to this file; returns what was printed. */
async function exportTo(agentId: string, file: string): Promise<string> {
  const ids = { 'AGENT-ID': agentId, 'edge-7.bundle': file };
  return installation.done(shownCommand(page, 'bundle export', ids));
}

async function onEdge(args: string[]): Promise<string> {
  const { code, stdout, stderr } = await host.agent(args);
  if (code !== 0) throw new Error(`${args.join(' ')} exited ${code}: ${stderr}`);
  return stdout;
}

test('[SG-13] a host that never has a network is admitted, served, kept up to date and forgotten, as docs/offline.md says', async () => {
  const asked = await onEdge(onHost('bundle request'));
  const thumbprint = /Thumbprint of edge-7’s key: (\S{43})/.exec(asked)?.[1] ?? '';
  const admitted = await installation.done(shownCommand(page, 'agent admit'));
  expect(admitted).toContain(`Its key is ${thumbprint}:`);
  const agentId = /\(([0-9a-f-]{36})\)/.exec(admitted)?.[1] ?? '';

  const exported = await exportTo(agentId, 'edge-7.bundle');
  expect(exported).toContain('(offline: deny) are not in it');
  const SIGNER = /Its signer is (\S{43}):/.exec(exported)?.[1] ?? '';
  // Not without the signer, whoever brings the file.
  expect((await host.agent(['bundle', 'import', 'edge-7.bundle'])).code).toBe(2);
  await onEdge(onHost('bundle import edge-7.bundle', { SIGNER }));
  let running = await host.run();
  expect(await host.secret('db/password')).toBe(KEPT);
  expect((await host.read('/v1/secrets/db/root')).status).toBe(503);
  expect(await host.health()).toMatchObject({
    offline: true,
    controlPlane: { url: 'https://nowhere.invalid:9443' },
    imported: { error: null },
  });

  await installation.done(
    ['secret', 'set', '--group', 'demo', '--offline', 'allow', 'db/password'],
    LATER,
  );
  await exportTo(agentId, 'edge-7-next.bundle');
  await onEdge(onHost('bundle import edge-7-next.bundle'));
  expect(await host.secret('db/password')).toBe(LATER);
  const { code, stderr } = await host.agent(['bundle', 'import', 'edge-7.bundle']);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringContaining('has taken a newer one'),
  });
  expect(await host.secret('db/password')).toBe(LATER);

  await running.stop();
  running = await host.run(AHEAD);
  expect((await host.read('/v1/secrets/db/password')).status).toBe(503);
  expect(await host.health()).toMatchObject({ imported: { error: 'bundle.expired' } });
  expect((await host.agent(['status'])).stdout).toContain('bundle.expired');
  // A clock that is set back brings nothing back: neither from disk nor from the stick.
  await running.stop();
  await host.run();
  expect((await host.read('/v1/secrets/db/password')).status).toBe(503);
  expect((await host.agent(['bundle', 'import', 'edge-7-next.bundle'])).code).toBe(1);
}, 120_000);

test('[SG-13] [F-24] no file that is carried holds a value, nor anything of what may not be kept on disk', async () => {
  const names = ['edge-7.request', 'edge-7.bundle', 'edge-7-next.bundle'];
  const places = await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(installation.folder, name));
      // As it is, and as its parts read.
      const parts = bytes
        .toString()
        .split('.')
        .map((part) => Buffer.from(part, 'base64url'));
      return { name, bytes: Buffer.concat([bytes, ...parts]) };
    }),
  );
  const canaries = [KEPT, LATER, LIVE].map((value) => ({ name: value, bytes: Buffer.from(value) }));
  expect(findCanaries(canaries, places)).toEqual([]);
  expect(places.map(({ bytes }) => bytes.includes('edge-7'))).toEqual([true, true, true]);
});

test('[SG-13] the audit tells who admitted and exported what, until when', async () => {
  const lines = await installation.done(['audit', 'list', '--json']);
  for (const told of ['agent:admit', 'bundle:export', 'expiresAt']) expect(lines).toContain(told);
});
