import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { NewHost } from './new-host.ts';

let double: ControlPlaneDouble;
let host: NewHost;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
});
afterAll(() => double.stop());
beforeEach(async () => {
  host = await NewHost.create(double);
});
afterEach(() => host.home.remove());

describe('[SG-22] enrolment with a single-use token', () => {
  test('makes an agent of the group, named after the host, and keeps its identity as one private file', async () => {
    const { code, stdout, stderr } = await host.enroll();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const identity = await host.readIdentity();
    expect(double.authority.agents.get(identity.agentId)).toMatchObject({
      name: 'web-1',
      group: double.group,
    });
    expect(identity).toMatchObject({ group: { name: 'plant-7' }, controlPlane: double.url });
    expect(stdout).toBe(
      `Enrolled as web-1 (${identity.agentId}) in group plant-7. Start it with: sallyport-agent run --state-dir ${host.stateDir}\n`,
    );
    expect((await stat(join(host.stateDir, 'identity.json'))).mode & 0o777).toBe(0o600);
    expect((await readdir(host.stateDir)).toSorted()).toEqual([
      'high-water.json',
      'identity.json',
      'lock',
    ]);
  });

  test('is refused the second time, in one line, and keeps nothing', async () => {
    await host.enroll();
    host.stateDir = join(host.home.path, 'second');
    const { code, stdout, stderr } = await host.enroll();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^sallyport-agent: refused: token\.used_up — .*revoke the agent.*\n$/);
    expect(await readdir(host.stateDir)).not.toContain('identity.json');
  });

  test('is refused, before the token is used, where the socket’s path would be too long to start the agent', async () => {
    const { stateDir } = host;
    host.stateDir = join(host.home.path, 'x'.repeat(110));
    const { code, stderr } = await host.enroll();
    expect({ code, stderr }).toMatchObject({
      code: 8,
      stderr: expect.stringMatching(/^sallyport-agent: the socket path is \d+ bytes .* --socket /),
    });
    host.stateDir = stateDir;
    expect(await host.enroll()).toMatchObject({ code: 0 });
  });

  test('prints JSON when asked', async () => {
    const { stdout } = await host.enroll('--json', '--name', 'press-3');
    const { agentId } = await host.readIdentity();
    expect(JSON.parse(stdout)).toEqual({
      agentId,
      name: 'press-3',
      group: 'plant-7',
      controlPlane: double.url,
      stateDir: host.stateDir,
    });
  });
});

describe('[AX-20] [AX-21] the private keys', () => {
  test('never leave the agent: only their public halves are in what the control plane received', async () => {
    await host.enroll();
    const { signingKey, encryptionKey } = await host.readIdentity();
    const wire = JSON.stringify(double.received);
    expect(wire).toContain(signingKey.x);
    expect(wire).toContain(encryptionKey.x);
    for (const secret of [signingKey.d, encryptionKey.d]) {
      expect(wire).not.toContain(secret);
      expect(wire).not.toContain(Buffer.from(secret, 'base64url').toString('hex'));
    }
    const [sent] = double.requestsTo('/agent/v1/enroll');
    expect(JSON.parse(sent?.body ?? '')).toMatchObject({
      signingKey: { kty: 'OKP', crv: 'Ed25519', x: signingKey.x },
      encryptionKey: { kty: 'OKP', crv: 'X25519', x: encryptionKey.x },
    });
  });
});

describe('an identity that is there already', () => {
  test('is not replaced unless that is said', async () => {
    await host.enroll();
    const before = await host.readIdentity();
    await writeFile(host.tokenFile, double.mintToken());
    const { code, stderr } = await host.enroll();
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('--force'),
    });
    expect(await host.readIdentity()).toEqual(before);
    expect(double.requestsTo('/agent/v1/enroll')).toHaveLength(1);
  });

  test('is replaced with --force, with all that belonged to it', async () => {
    await host.enroll();
    const before = await host.readIdentity();
    await writeFile(join(host.stateDir, 'bundle.json'), '{}', { mode: 0o600 });
    await writeFile(host.tokenFile, double.mintToken());
    expect((await host.enroll('--force')).code).toBe(0);
    expect((await host.readIdentity()).signingKey).not.toEqual(before.signingKey);
    expect((await readdir(host.stateDir)).toSorted()).toEqual([
      'high-water.json',
      'identity.json',
      'lock',
    ]);
  });
});

describe('a reply that is lost', () => {
  test('is told as what it may mean, and a second attempt uses the same keys', async () => {
    double.failNext('/agent/v1/enroll', 'lose reply');
    const lost = await host.enroll();
    expect(lost.code).toBe(1);
    expect(lost.stderr).toMatch(
      /may have registered this agent all the same — run the same command again/,
    );

    const again = await host.enroll();
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/token\.used_up/);
    const [first, second] = double
      .requestsTo('/agent/v1/enroll')
      .map(({ body }) => JSON.parse(body).signingKey.x);
    expect(second).toBe(first);
    await writeFile(host.tokenFile, double.mintToken());
    expect((await host.enroll()).stderr).toMatch(/agent\.keys_taken — .*--force/);
    expect((await host.enroll('--force')).code).toBe(0);
  });

  test('is made up for with the same keys also with --force, and with new ones for another token', async () => {
    for (const token of ['the first', 'the first', 'another']) {
      if (token === 'another') await writeFile(host.tokenFile, double.mintToken());
      double.failNext('/agent/v1/enroll', 'lose reply');
      await host.enroll('--force');
    }
    const [first, second, third] = double
      .requestsTo('/agent/v1/enroll')
      .slice(-3)
      .map(({ body }) => JSON.parse(body).signingKey.x);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  test.each(['', '{"controlPlane":"ht', '{}'])(
    'is made up for with new keys when those of the first attempt are damaged (%p)',
    async (pending) => {
      await mkdir(host.stateDir, { mode: 0o700 });
      await writeFile(join(host.stateDir, 'identity.pending.json'), pending, { mode: 0o600 });
      expect((await host.enroll()).stderr).toBe('');
      expect(await readdir(host.stateDir)).not.toContain('identity.pending.json');
    },
  );

  test('before the request was handled costs nothing: the same command works', async () => {
    double.failNext('/agent/v1/enroll', 'hang up');
    expect((await host.enroll()).code).toBe(1);
    expect((await host.enroll()).code).toBe(0);
    expect(await readdir(host.stateDir)).not.toContain('identity.pending.json');
  });
});

test('a state directory that others can read is refused with its own exit code, before the token is used', async () => {
  host.stateDir = host.home.path;
  await chmod(host.home.path, 0o755);
  const { code, stderr } = await host.enroll();
  expect({ code, stderr }).toEqual({
    code: 6,
    stderr: `sallyport-agent: ${host.home.path} is open to other users (mode 0755) — chmod 700 ${host.home.path}\n`,
  });
  expect(double.received).toEqual([]);
});
