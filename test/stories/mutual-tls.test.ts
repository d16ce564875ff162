import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { certificateAuthorityList, createdEnrollmentToken } from '@sallyport/contract';
import { asAdmin } from '@sallyport/testkit/database';
import type { TestProcess } from '@sallyport/testkit/process';
import { z } from 'zod';
import { findCanaries, keyCanaries } from '../fixtures/canaries.ts';
import { fileChanged } from '../fixtures/file-changed.ts';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';
import { databaseContents, filesBelow, walPosition, writtenBy } from '../fixtures/places.ts';
import { shownCommand } from '../fixtures/shown-command.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/agent-authentication.md'), 'utf8');
const BY_CERTIFICATE = { SALLYPORT_AGENT_AUTHENTICATION: 'certificate' };

let installation: Installation;
let replica: Replica;
let owner: Operator;
let host: Host;
let running: TestProcess;
let walFrom: string;
/** Every pair that was on disk. */
const pairs: { certificate: string; key: string }[] = [];
beforeAll(async () => {
  installation = await Installation.create();
  walFrom = await walPosition(installation.databaseUrl);
  replica = await installation.startReplica('control-plane');
  owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'plant-7' });
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'first', offline: 'deny' });
  await installation.logIn(replica);
}, 60_000);
afterAll(() => installation.end());

/** Runs the command of the page that starts so, with ids in the place of its placeholders. */
async function shown(start: string, ids: Record<string, string> = {}): Promise<string> {
  return installation.done([...shownCommand(page, start, ids), '--json']);
}

const stored = z.object({ certificate: z.string(), key: z.string() });

/** The pair on disk; undefined when there is none. Throws for anything that is no whole pair. */
async function pairOnDisk(): Promise<z.infer<typeof stored> | undefined> {
  const path = join(host.stateDir, 'certificate.json');
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const pair = stored.parse(JSON.parse(text));
  const leaf = new X509Certificate(pair.certificate);
  expect(leaf.checkPrivateKey(createPrivateKey(pair.key))).toBe(true);
  pairs.push(pair);
  return pair;
}

test('[A7-02] [SG-23] an agent enrols with a certificate, is let in by it alone, and says until when', async () => {
  await shown('group update plant-7 --agent-methods certificate');
  const made = await owner.do('POST', '/groups/plant-7/enrollment-tokens', {});
  host = installation.host('host');
  await host.enroll(replica, createdEnrollmentToken.parse(made.body).token, BY_CERTIFICATE);
  const pair = await pairOnDisk();
  running = await host.run(BY_CERTIFICATE);
  await host.untilSecret('s', 'first');
  const { authentication } = await host.health();
  expect(authentication).toEqual({
    method: 'certificate',
    expiresAt: new X509Certificate(pair?.certificate ?? '').validToDate.toISOString(),
  });
  await running.stop();
  running = await host.run();
  await host.untilHealth(
    ({ controlPlane }) => controlPlane.lastError?.code === 'client_certificate.required',
  );
  await running.stop();
}, 90_000);

/** What is seen of it while the agent gets a certificate, in this order. */
const STEPS: readonly [step: string, seen: (agent: Promise<TestProcess>) => Promise<unknown>][] = [
  // By the key, for a certificate; what follows is the request.
  ['it may ask', async (agent) => (await agent).waitForLine(/"session opened"/)],
  ['it begins to write', () => fileChanged(host.stateDir, 'certificate.json.tmp')],
  ['it has written', () => fileChanged(host.stateDir, 'certificate.json')],
];

describe.each([
  ['with none before', () => rm(join(host.stateDir, 'certificate.json'))],
  [
    'with one before, which its control plane does not know',
    () =>
      asAdmin(installation.databaseUrl, (client) => client.query('DELETE FROM agent_certificates')),
  ],
])('[F-07] getting a certificate %s', (_, begin) => {
  test.each(STEPS)(
    'killed when %s, an agent has a whole pair or none, and goes on',
    async (_step, seen) => {
      await running.stop();
      await begin();
      const before = await pairOnDisk();
      const starting = host.run(BY_CERTIFICATE);
      await seen(starting);
      running = await starting;
      running.kill('SIGKILL');
      await running.exited;
      const left = await pairOnDisk();
      if (before !== undefined) expect(left).toBeDefined();
      running = await host.run(BY_CERTIFICATE);
      await host.untilHealth(({ status }) => status === 'ready');
      expect(await pairOnDisk()).toBeDefined();
    },
    60_000,
  );
});

test('[AX-16] the CA is rotated by the commands of the page, and the agent is served all the time', async () => {
  const authorities = async () => {
    const items = JSON.parse(await shown('ca list'));
    return certificateAuthorityList.parse({ items }).items;
  };
  const [before] = await authorities();
  await shown('ca prepare');
  const [next] = await authorities();
  const ids = { 'CA-ID': next?.id ?? '', 'OLD-CA-ID': before?.id ?? '' };
  await shown('ca activate', ids);
  // Its certificate is of the old CA, and good for a day.
  const { code, stderr } = await installation.cli(['ca', 'retire', ids['OLD-CA-ID']]);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/not expired/) });
  await running.stop();
  await rm(join(host.stateDir, 'certificate.json'));
  running = await host.run(BY_CERTIFICATE);
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'second' });
  await host.untilSecret('s', 'second');
  const pair = await pairOnDisk();
  expect(new X509Certificate(pair?.certificate ?? '').issuer).toBe(
    new X509Certificate(next?.certificate ?? '').subject,
  );
  // Back to the old one: a CA that is superseded can be activated again.
  await installation.done(['ca', 'activate', ids['OLD-CA-ID']]);
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'third' });
  await host.untilSecret('s', 'third');
}, 90_000);

test('[A7-04] [AX-20] [AX-21] no certificate and no private key of the agent is anywhere but in its state directory', async () => {
  const identity = z
    .object({ signingKey: z.object({ d: z.string() }), encryptionKey: z.object({ d: z.string() }) })
    .parse(JSON.parse(await readFile(join(host.stateDir, 'identity.json'), 'utf8')));
  const bodies = (pem: string) =>
    pem.split('\n').filter((line) => line.length > 40 && !line.startsWith('-'));
  const texts = [
    ...pairs.map(({ certificate }) => bodies(certificate).at(3) ?? ''),
    identity.signingKey.d,
    identity.encryptionKey.d,
  ];
  const canaries = [
    ...pairs.flatMap(({ key }) => keyCanaries('key', key)),
    ...texts.map((text) => ({ name: 'text', bytes: Buffer.from(text) })),
  ].map(({ bytes }, at) => ({ name: `canary ${at}`, bytes }));
  await running.stop();
  const own = host.stateDir.slice(installation.folder.length + 1);
  const places = [
    ...(await databaseContents(installation.databaseUrl, walFrom)),
    ...(await filesBelow(installation.folder)).filter(({ name }) => !name.includes(own)),
    ...writtenBy(installation.programs),
  ];
  expect(findCanaries(canaries, places)).toEqual([]);
  const planted = { name: 'planted', bytes: Buffer.concat(canaries.map(({ bytes }) => bytes)) };
  expect(findCanaries(canaries, [planted])).toHaveLength(canaries.length);
}, 60_000);

test('[AT-11] revoked, it keeps neither certificate nor key', async () => {
  running = await host.run(BY_CERTIFICATE);
  await host.untilHealth(({ status }) => status === 'ready');
  await owner.do('POST', `/agents/${host.agentId}/revoke`);
  await running.waitForLine(/identity and bundles are removed/);
  expect(await pairOnDisk()).toBeUndefined();
  await running.stop();
}, 60_000);
