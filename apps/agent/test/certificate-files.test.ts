import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  chmod,
  lstat,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startProcess } from '@sallyport/testkit/process';
import { Issuer, type IssuedLeaf } from '@sallyport/tls/test/issuer';
import { ControlPlaneDouble } from './control-plane-double.ts';
import { enrollWith, startDaemon, until, type Enrolled, type TestDaemon } from './harness.ts';
import { agentCommand, runAgent } from './run-agent.ts';

let double: ControlPlaneDouble;
let issuer: Issuer;
let leaves: IssuedLeaf[];
let enrolled: Enrolled;
let folder: string;
let file: string;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
  issuer = await (await Issuer.root()).intermediate();
  leaves = await Promise.all(Array.from({ length: 4 }, () => issuer.leaf()));
});
afterAll(() => double.stop());
beforeEach(async () => {
  double.putCertificate('web', leaf(0));
  enrolled = await enrollWith(double);
  folder = join(enrolled.home.path, 'tls');
  file = join(folder, 'web.pem');
  await mkdir(folder);
});
afterEach(() => enrolled.home.remove());

function leaf(index: number): IssuedLeaf {
  const found = leaves[index % leaves.length];
  if (found === undefined) throw new Error('there are no leaves');
  return found;
}

const pemOf = ({ key, chain }: IssuedLeaf) => key + chain;
const written = () => readFile(file, 'utf8').catch(() => undefined);
const modeOf = async () => ((await stat(file)).mode & 0o7777).toString(8);

async function run(mode: '0600' | '0640' = '0600', certificate = 'web'): Promise<TestDaemon> {
  return startDaemon({ ...enrolled, certificateFiles: [{ certificate, file, mode }] });
}

describe('a certificate file', () => {
  test('holds key and chain in one, 0600, and is replaced when the certificate is', async () => {
    await using daemon = await run();
    await until(async () => (await written()) === pemOf(leaf(0)));
    expect(await modeOf()).toBe('600');
    double.putCertificate('web', leaf(1));
    await until(async () => (await written()) === pemOf(leaf(1)));
    expect(await modeOf()).toBe('600');
    expect(await readdir(folder)).toEqual(['web.pem']);
    const { files } = await daemon.untilHealth(({ files: [first] }) => first?.version === 2);
    expect(files).toEqual([{ path: file, certificate: 'web', version: 2, error: null }]);
  });

  test('is not written when nothing has changed, neither by another revision nor by another start', async () => {
    {
      await using daemon = await run();
      await until(async () => (await written()) !== undefined);
      const { ino, mtimeMs } = await stat(file);
      double.putSecret('other', 'value');
      await daemon.untilHealth(({ revision }) => revision === double.group.revision);
      await daemon.stop();
      expect(await stat(file)).toMatchObject({ ino, mtimeMs });
    }
    const { ino, mtimeMs } = await stat(file);
    await using daemon = await run();
    await daemon.untilHealth(({ status }) => status === 'ready');
    await daemon.stop();
    expect(await stat(file)).toMatchObject({ ino, mtimeMs });
    expect(daemon.log.filter(({ message }) => message === 'certificate file written')).toEqual([]);
  });

  test.each([
    ['it is open to others', () => chmod(file, 0o644)],
    ['it was changed', () => writeFile(file, 'something else')],
    ['it was emptied', () => writeFile(file, '')],
    ['it was removed', () => rm(file)],
    [
      'a link took its place',
      async () => {
        await rename(file, `${file}.copy`);
        await symlink(`${file}.copy`, file);
      },
    ],
  ])('is put right by the next start when %s', async (_, spoil) => {
    {
      await using first = await run('0640');
      await until(async () => (await written()) === pemOf(leaf(0)));
      await first.stop();
    }
    await spoil();
    // Without the control plane too: it is in the durable bundle.
    await double.stop();
    await using daemon = await run('0640');
    expect(await written()).toBe(pemOf(leaf(0)));
    expect(await modeOf()).toBe('640');
    expect((await lstat(file)).isFile()).toBe(true);
    await daemon.stop();
    await double.start();
  });

  test('that cannot be written is an error in log and status, leaves all else, and is tried again', async () => {
    await rm(folder, { recursive: true });
    await using daemon = await run();
    const { files } = await daemon.untilHealth(
      ({ files: [first] }) => first?.error === 'file.unusable',
    );
    expect(files).toMatchObject([{ version: null }]);
    const told = daemon.log.filter(({ code }) => code === 'file.unusable');
    expect(told).toMatchObject([
      { level: 'error', path: file, detail: expect.stringContaining('ENOENT') },
    ]);
    expect((await daemon.ask('/v1/certificates/web')).status).toBe(200);
    await mkdir(folder);
    double.putSecret('nudge', 'value');
    await until(async () => (await written()) === pemOf(leaf(0)));
    await daemon.untilHealth(({ files: [first] }) => first?.error === null);
  });

  test('stays as it is when its certificate is deleted, which is an error', async () => {
    await using daemon = await run();
    await until(async () => (await written()) === pemOf(leaf(0)));
    double.group.deleteCertificate('web');
    double.putSecret('nudge', 'value');
    await daemon.untilHealth(({ files: [first] }) => first?.error === 'certificate.not_found');
    expect(await written()).toBe(pemOf(leaf(0)));
  });

  test('is never made for a certificate that does not exist', async () => {
    await using daemon = await run('0600', 'nothing');
    await daemon.untilHealth(({ files: [first] }) => first?.error === 'certificate.not_found');
    expect(await readdir(folder)).toEqual([]);
  });
});

test('after SIGKILL at any moment, over and over, the file is whole and its key is its chain’s', async () => {
  const config = join(enrolled.home.path, 'agent.yaml');
  await writeFile(config, `certificateFiles:\n  - certificate: web\n    file: ${file}\n`, {
    mode: 0o600,
  });
  const { stateDir, socket } = enrolled;
  let seen = 0;
  for (let round = 0; round < 12; round += 1) {
    const agent = startProcess({
      command: [
        ...agentCommand,
        'run',
        '--config',
        config,
        '--state-dir',
        stateDir,
        '--socket',
        socket,
      ],
      env: {},
    });
    await agent.waitForLine(/"listening"/);
    // Certificates come as fast as they are applied, and the blow falls somewhere among the writes.
    const killAfter = 1 + round;
    for (let writes = 0; writes < killAfter; writes += 1) {
      const before = await written();
      double.putCertificate('web', leaf(seen++));
      if (writes + 1 < killAfter) await until(async () => (await written()) !== before);
    }
    agent.kill('SIGKILL');
    await agent.exited;
    const pem = await written();
    if (pem === undefined) continue;
    expect(leaves.map(pemOf)).toContain(pem);
    expect(
      new X509Certificate(pem.slice(pem.indexOf('-----BEGIN C'))).checkPrivateKey(
        createPrivateKey(pem),
      ),
    ).toBe(true);
    expect(await modeOf()).toBe('600');
  }
  await using daemon = await run();
  await until(async () => (await written()) === pemOf(leaf(seen - 1)));
  await daemon.stop();
  expect(await readdir(folder)).toEqual(['web.pem']);
}, 60_000);

test('[BM-06] doctor says that the agent was started without the file, which that does not write', async () => {
  const config = join(folder, 'agent.yaml');
  await writeFile(config, JSON.stringify({ certificateFiles: [{ certificate: 'gone', file }] }));
  const { socket, stateDir } = enrolled;
  const args = ['doctor', '--socket', socket, '--state-dir', stateDir, '--config', config];
  const found = async () => /^.* certificate files .*$/m.exec((await runAgent(args)).stdout)?.[0];
  {
    await using _without = await startDaemon(enrolled);
    expect(await found()).toMatch(/web\.pem is missing, .* without it — start it again .*--config/);
  }
  const certificateFiles = [{ certificate: 'gone', file, mode: '0600' as const }];
  await using _with = await startDaemon({ ...enrolled, certificateFiles });
  expect(await found()).toMatch(/web\.pem is missing — .* once its group has the certificate gone/);
});
