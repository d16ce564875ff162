import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { admissionRequest, MAX_OFFLINE_BUNDLE_BYTES } from '@sallyport/contract';
import { generateSigningJwk, importSigningKey } from '@sallyport/crypto/signing-key';
import { DoubleGroup } from './double/group.ts';
import { exportFrom } from './double/offline.ts';
import { OfflineHost } from './offline-host.ts';
import { agentCommand, runAgentProcess } from './run-agent.ts';

let host: OfflineHost;
afterEach(() => host.home.remove());

describe('[SG-13] bundle request', () => {
  beforeEach(async () => {
    host = await OfflineHost.create();
  });

  test('keeps the keys here, and prints the public ones with the thumbprint to compare', async () => {
    const { code, stdout, stderr } = await host.ask();
    expect(code).toBe(0);
    const request = admissionRequest.parse(JSON.parse(stdout));
    expect(request).toMatchObject({ name: 'edge-7', facts: { platform: process.platform } });
    const kept = JSON.parse((await host.state())?.['identity.requested.json'] ?? '');
    expect(stderr).toContain(
      `Thumbprint of edge-7’s key: ${importSigningKey(kept.signingKey).thumbprint}`,
    );
    for (const { d } of [kept.signingKey, kept.encryptionKey]) expect(stdout).not.toContain(d);
    expect((await stat(join(host.stateDir, 'identity.requested.json'))).mode & 0o777).toBe(0o600);
  });

  test('asks with the same keys again, and with new ones when it is forced to', async () => {
    const keyOf = async (...more: string[]) =>
      admissionRequest.parse(JSON.parse((await host.ask(...more)).stdout)).signingKey.x;
    const first = await keyOf();
    expect(await keyOf()).toBe(first);
    expect(await keyOf('--force')).not.toBe(first);
  });

  test('writes a new file, and over none that is there', async () => {
    const output = join(host.home.path, 'request.json');
    const ask = () => host.agent(['bundle', 'request', '--name', 'edge-7', '--output', output]);
    expect(await ask()).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Thumbprint of edge-7’s key'),
    });
    const written = await readFile(output, 'utf8');
    admissionRequest.parse(JSON.parse(written));
    expect(await ask()).toMatchObject({ code: 2 });
    expect(await readFile(output, 'utf8')).toBe(written);
  });

  test('leaves nothing of a file that the disk has no room for', async () => {
    await host.ask();
    const output = join(host.home.path, 'request.json');
    const args = ['bundle', 'request', '--name', 'edge-7', '--output', output];
    const limited = ['-c', 'ulimit -f 1 && exec "$@"', 'sh', ...agentCommand, ...args];
    const { status, stderr } = spawnSync('sh', [...limited, '--state-dir', host.stateDir], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining('(EFBIG)') });
    expect(await readdir(host.home.path)).not.toContain('request.json');
  });

  test('has run name the import that is to come, where without one it names enroll alone', async () => {
    const outcome = async () => {
      const { code, stderr } = await runAgentProcess(['run', '--state-dir', host.stateDir], {});
      return { code, stderr };
    };
    await mkdir(host.stateDir, { mode: 0o700 });
    expect(await outcome()).toEqual({
      code: 7,
      stderr: expect.stringMatching(/ — run: sallyport-agent enroll\n$/),
    });
    await host.ask();
    expect(await outcome()).toEqual({
      code: 7,
      stderr: expect.stringMatching(/enroll, or, .*: sallyport-agent bundle import\n$/),
    });
  });

  test('is refused where an agent is enrolled already', async () => {
    await host.ask();
    await host.importFirst(await host.exported());
    expect(await host.agent(['bundle', 'request', '--name', 'edge-7'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('enrolled'),
    });
    expect((await host.state())?.['identity.requested.json']).toBeUndefined();
  });
});

describe('[SG-13] a request with --force, to replace the agent that is there,', () => {
  beforeEach(async () => {
    host = await OfflineHost.imported();
  });

  test('leaves it as it is, and its bundles good, until the signer is named with the first of the new one', async () => {
    const before = await host.exported();
    await host.ask('--force');
    expect(await host.import(before)).toMatchObject({ code: 0 });
    const replacing = await host.exported();
    expect(await host.refusal(Buffer.from(replacing))).toBe('bundle.wrong_agent');
    expect(await host.importFirst(replacing)).toMatchObject({ code: 0 });
    await using daemon = await host.run();
    expect(await daemon.health()).toMatchObject({ agent: { id: host.admitted.agentId } });
  });

  test('replaces none that runs', async () => {
    await host.ask('--force');
    const { signer } = host.group;
    const replacing = Buffer.from(await host.exported());
    await using _daemon = await host.run();
    expect(await host.refusal(replacing, signer.thumbprint)).toBe('state.in_use');
  });
});

describe('[SG-13] the first import', () => {
  beforeEach(async () => {
    host = await OfflineHost.create();
    await host.ask();
  });

  test('makes the agent that was admitted, before any run, and the run serves what was imported', async () => {
    const { code, stdout } = await host.importFirst(await host.exported());
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining(`edge-7 (${host.admitted.agentId}) in group plant-7`),
    });
    expect(Object.keys((await host.state()) ?? {})).not.toContain('identity.requested.json');
    await using daemon = await host.run();
    expect(await daemon.secret('db')).toBe('first');
    expect(await daemon.health()).toMatchObject({
      agent: { id: host.admitted.agentId },
      revision: host.group.revision,
      offline: true,
      imported: { revision: host.group.revision, error: null },
      durable: { revision: host.group.revision },
    });
    expect(await readdir(host.stateDir)).not.toContain('incoming.bundle');
  });

  test('asks for the signer, and refuses another one', async () => {
    const before = await host.state();
    const bundle = await host.exported();
    expect(await host.import(bundle)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--signer'),
    });
    const other = importSigningKey(await generateSigningJwk());
    expect(await host.import(bundle, '--signer', other.thumbprint)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('a key that this agent does not know'),
    });
    expect(await host.refusal(Buffer.from(bundle), other.thumbprint)).toBe('bundle.unknown_signer');
    expect(await host.import(bundle, '--signer', 'short')).toMatchObject({ code: 2 });
    expect(await host.state()).toEqual(before);
  });

  test('refuses the bundle of another host, and leaves the request as it was', async () => {
    const other = await OfflineHost.create();
    await other.ask();
    const before = await host.state();
    const foreign = await exportFrom(host.group, other.admitted);
    expect(await host.refusal(Buffer.from(foreign), host.group.signer.thumbprint)).toBe(
      'bundle.wrong_agent',
    );
    expect(await host.state()).toEqual(before);
    await other.home.remove();
  });

  test('of a bundle that names for CAs what is no certificate changes nothing', async () => {
    const before = await host.state();
    const text = await host.exported({ trustAnchors: ['canary'] });
    const { code, stderr } = await host.importFirst(text);
    expect({ code, after: await host.state() }).toEqual({ code: 1, after: before });
    expect(stderr).toMatch(/CAs that are no certificates — have another one exported\n$/);
  });

  test('without a request is told to make one', async () => {
    const bundle = await host.exported();
    await host.home.remove();
    await mkdir(host.home.path, { recursive: true });
    expect(await host.importFirst(bundle)).toMatchObject({ code: 7 });
  });
});

describe('[SG-13] [F-02] a bundle is refused, and nothing is changed,', () => {
  beforeEach(async () => {
    host = await OfflineHost.imported();
    // Taken by the daemon, so that there is something older than what it has run.
    await (await host.run()).stop();
  });

  /** What the command says of a file, which must have left everything as it was. */
  async function refusalOf(text: string | Buffer): Promise<string> {
    const before = await host.state();
    const code = await host.refusal(Buffer.from(text));
    expect(await host.import(text)).toMatchObject({ code: 1 });
    expect(await host.state()).toEqual(before);
    return code;
  }

  test('when it is another agent’s', async () => {
    expect(await refusalOf(await host.exported({ agentId: crypto.randomUUID() }))).toBe(
      'bundle.wrong_agent',
    );
  });

  test('when it is another group’s', async () => {
    const other = await DoubleGroup.create('plant-8');
    const bundle = await exportFrom(other, host.admitted, {}, host.group.signer);
    expect(await refusalOf(bundle)).toBe('bundle.wrong_group');
  });

  test('when one byte of it was changed', async () => {
    const bundle = Buffer.from(await host.exported());
    const at = bundle.indexOf('.') + 200;
    bundle[at] = bundle[at] === 0x41 ? 0x42 : 0x41;
    expect(await refusalOf(bundle)).toBe('bundle.unsigned');
  });

  test('when it is cut off, empty, or something else', async () => {
    const bundle = await host.exported();
    expect(await refusalOf(bundle.slice(0, -10))).toMatch(/^bundle\.(unsigned|malformed)$/);
    expect(await refusalOf('')).toBe('bundle.malformed');
    expect(await refusalOf('{"format":1}')).toBe('bundle.malformed');
  });

  test('when a signer made it whom this agent does not know', async () => {
    const other = importSigningKey(await generateSigningJwk());
    expect(await refusalOf(await host.exported({}, other))).toBe('bundle.unknown_signer');
  });

  test('when its time is over', async () => {
    const expiresAt = new Date(Date.now() - 1000).toISOString();
    expect(await refusalOf(await host.exported({ expiresAt }))).toBe('bundle.expired');
  });

  test('when its time is over by the newest that this host knows of, though its clock is behind', async () => {
    const fromNow = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
    expect(await host.import(await host.exported({ issuedAt: fromNow(2) }))).toMatchObject({
      code: 0,
    });
    await (await host.run()).stop();
    expect(await refusalOf(await host.exported({ expiresAt: fromNow(1) }))).toBe('bundle.expired');
  });

  test('when it was issued before one that was taken', async () => {
    const issuedAt = new Date(Date.now() - 60_000).toISOString();
    expect(await refusalOf(await host.exported({ issuedAt }))).toBe('bundle.older');
  });

  test('when it was issued before one that waits to be taken', async () => {
    const between = await host.exported();
    host.group.putSecret('db', 'newest');
    const issuedAt = new Date(Date.now() + 60_000).toISOString();
    expect(await host.import(await host.exported({ issuedAt }))).toMatchObject({ code: 0 });
    expect(await refusalOf(between)).toBe('bundle.older');
  });

  test('when it is of an older revision, whenever it was issued', async () => {
    host.group.putSecret('db', 'second');
    const older = { revision: host.group.revision, durable: (await host.group.bundle()).durable };
    host.group.putSecret('db', 'third');
    expect(await host.import(await host.exported())).toMatchObject({ code: 0 });
    await (await host.run()).stop();
    expect(await refusalOf(await host.exported(older))).toBe('bundle.older');
  });

  test('when it names another revision than its values are of', async () => {
    const durable = (await host.group.bundle()).durable;
    host.group.putSecret('db', 'second');
    expect(await refusalOf(await host.exported({ durable }))).toBe('bundle.incomplete');
  });

  test('when it is too large to be one', async () => {
    const file = join(host.home.path, 'large');
    await writeFile(file, '');
    await truncate(file, MAX_OFFLINE_BUNDLE_BYTES + 1);
    const before = await host.state();
    expect(await host.agent(['bundle', 'import', file])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('at most 20971520 bytes'),
    });
    expect(await host.state()).toEqual(before);
  });

  test('while the same one a second time, and a newer one of the same revision, are no fault', async () => {
    const bundle = await host.exported();
    for (const _ of [1, 2]) expect(await host.import(bundle)).toMatchObject({ code: 0 });
    expect(await host.import(await host.exported())).toMatchObject({ code: 0 });
    await using daemon = await host.run();
    expect(await daemon.secret('db')).toBe('first');
  });
});
