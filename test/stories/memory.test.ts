import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { builtProgram } from '@sallyport/testkit/built-programs';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { health, type Health } from '../../apps/agent/src/local-api/health.ts';
import { ControlPlaneDouble } from '../../apps/agent/test/control-plane-double.ts';
import { askSocket, enrollWith, until, type Enrolled } from '../../apps/agent/test/harness.ts';
import { findCanaries, makeCanary, textOf, type Canary } from '../fixtures/canaries.ts';
import { filesBelow } from '../fixtures/places.ts';
import {
  findInMemory,
  flagsAt,
  keysHeldBy,
  searchMemory,
  whyNoMemory,
} from '../fixtures/process-memory.ts';

const made = () => ({
  unread: makeCanary('a secret that nobody read'),
  live: makeCanary('a secret that may not be kept'),
  served: makeCanary('a secret that was served'),
  field: makeCanary('the field that was served'),
  sibling: makeCanary('a field beside it'),
  long: makeCanary('the end of a long secret'),
  plugin: makeCanary('a configuration that was served'),
  certificateKey: makeCanary('a certificate’s key that was served'),
  lent: makeCanary('a secret that was lent'),
  referenced: makeCanary('what a reference to a file led to'),
});

/** Longer than what the system takes of a reply that nobody reads. */
const MANY_BYTES = 2 * 1024 * 1024;

let double: ControlPlaneDouble;
let enrolled: Enrolled;
let canaries: ReturnType<typeof made>;
let files: TempDirectory;
let agent: TestProcess;

beforeEach(async () => {
  canaries = made();
  double = await ControlPlaneDouble.start();
  const text = (name: keyof typeof canaries) => textOf(canaries[name]);
  double.putSecret('unread', text('unread'));
  double.putSecret('live', text('live'), 'deny');
  double.putSecret('served', text('served'));
  double.putSecret('long', 'x'.repeat(MANY_BYTES) + text('long'));
  double.putSecret('login', JSON.stringify({ user: text('sibling'), password: text('field') }));
  double.putPlugin('gateway', { password: text('plugin') });
  double.putCertificate('web', {
    chain: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    key: `-----BEGIN PRIVATE KEY-----\n${text('certificateKey')}\n-----END PRIVATE KEY-----\n`,
  });
  double.lending.lend('lent', { value: text('lent'), ttlSeconds: 600, maxUses: null });
  files = await createTempDirectory('referenced');
  await writeFile(join(files.path, 'password'), text('referenced'));
  double.putReference('referenced', `file://${files.path}/password`);
  enrolled = await enrollWith(double);
  await start();
});
afterEach(async () => {
  await agent.stop();
  await double.stop();
  await files.remove();
  await enrolled.home.remove();
  await expectNoLeftovers();
});

/** As it is shipped; resolves once it has everything. */
async function start(): Promise<void> {
  agent = startProcess({
    command: [process.execPath, builtProgram('agent'), 'run'],
    env: {
      SALLYPORT_AGENT_STATE_DIR: enrolled.stateDir,
      SALLYPORT_AGENT_SOCKET: enrolled.socket,
      SALLYPORT_AGENT_REFERENCES_FILE_DIRECTORIES: files.path,
    },
  });
  await agent.waitForLine(/"listening"/);
  await delivered();
}

async function readHealth(): Promise<Health> {
  return health.parse(JSON.parse((await ask('/healthz')).body));
}

const ask = (path: string, headers = {}) => askSocket(enrolled.socket, path, { headers });
const borrow = (secret: string) =>
  askSocket(enrolled.socket, '/v1/leases', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ secret }),
  });
const delivered = () =>
  until(async () => {
    const { revision, offline } = await readHealth();
    return revision === double.group.revision && !offline;
  });

/** What comes neither in a bundle nor before it is asked for. */
async function serveOthers(): Promise<void> {
  expect((await borrow('lent')).body).toContain(textOf(canaries.lent));
  expect((await ask('/v1/secrets/referenced')).body).toContain(textOf(canaries.referenced));
}

async function revoke(): Promise<void> {
  double.revoke(enrolled.identity.agentId);
  await agent.waitForLine(/identity and bundles are removed/);
}

const all = (): Canary[] => Object.values(canaries);

/**
 * What stays in the agent's memory: looked for until it is gone, or for ten seconds. A search stops the agent, which
 * gets its turn before each.
 */
async function whatStays(): Promise<string[]> {
  let found: string[] = [];
  const isGone = async () => {
    await ask('/healthz');
    return (found = findInMemory(all(), agent.pid)).length === 0;
  };
  await until(isGone).catch(() => {});
  return found;
}

const why = whyNoMemory();
const describeWhereRead = why === undefined ? describe : describe.skip;

/** Keeps what it is given, inverted, in every form that programs keep text in. */
const KEEPER = `
const [bytes, text, wide, base64, hex] = process.argv.slice(1)
  .map((inverted) => Buffer.from(inverted, 'hex').map((byte) => byte ^ 0xff));
const kept = [bytes, text.toString(), wide.toString() + '\u20ac', base64.toString('base64'), hex.toString('hex')];
console.log('kept');
setInterval(() => kept, 1e6);`;

/** Opens what it is given, inverted, a thousand times from where values are held, while other memory comes and goes. */
const OPENER = `
import { openValue, sealValue } from '${new URL('../../apps/agent/src/cache/sealed-value.ts', import.meta.url).href}';
const inverted = Buffer.from(process.argv[1], 'hex');
const value = Buffer.alloc(500);
for (const [at, byte] of inverted.entries()) value[300 + at] = byte ^ 0xff;
const key = Buffer.alloc(32, 7);
const place = { table: 'table', row: 'row', field: 'field', group: 'group', keyVersion: 1 };
const sealed = sealValue(key, value, place);
value.fill(0);
const others = [];
for (let round = 0; round < 1000; round += 1) {
  for (let each = 0; each < 20; each += 1)
    others[(round * 7 + each * 13) % 400] = Buffer.allocUnsafeSlow(400 + (round * 31 + each * 17) % 400);
  openValue(key, sealed, place).fill(0);
}
console.log('opened');
setInterval(() => {}, 1e6);`;

describeWhereRead(titleOrLeftOut('[SG-33] the search of a process’s memory', why), () => {
  test('finds what a program keeps, as bytes, as text of both widths, in base64 and in hex', async () => {
    const kept = ['bytes', 'text', 'wide', 'base64', 'hex'].map(makeCanary);
    const inverted = kept.map(({ bytes }) => Buffer.from(bytes.map((byte) => byte ^ 0xff)));
    const program = startProcess({
      command: [
        process.execPath,
        '--eval',
        KEEPER,
        ...inverted.map((bytes) => bytes.toString('hex')),
      ],
    });
    await program.waitForLine(/^kept$/);
    expect(findInMemory(kept, program.pid)).toEqual(kept.map(({ name }) => name).toSorted());
    expect(findInMemory([makeCanary('another')], program.pid)).toEqual([]);
    await program.stop();
    expect(() => findInMemory(kept, program.pid)).toThrow();
  });
});

describeWhereRead(titleOrLeftOut('[SG-33] the memory of an agent', why), () => {
  test('holds a value in plaintext while its reply waits for the reader, and not after', async () => {
    const reader = connect({ path: enrolled.socket });
    reader.write('GET /v1/secrets/long HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await once(reader, 'readable');
    expect(findInMemory(all(), agent.pid)).toEqual([canaries.long.name]);
    reader.destroy();
    expect(await whatStays()).toEqual([]);
  });

  test('holds none after delivery, and none after each kind of value was served', async () => {
    expect(await whatStays()).toEqual([]);
    const served = [
      ['/v1/secrets/served', canaries.served],
      ['/v1/secrets/live', canaries.live],
      ['/v1/secrets/login?field=password', canaries.field],
      ['/v1/secrets/login', canaries.sibling],
      ['/v1/config/gateway', canaries.plugin],
      ['/v1/certificates/web', canaries.certificateKey],
    ] as const;
    for (const [path, canary] of served) expect((await ask(path)).body).toContain(textOf(canary));
    const pem = await ask('/v1/certificates/web', { accept: 'application/x-pem-file' });
    expect(pem.body).toContain(textOf(canaries.certificateKey));
    expect(await whatStays()).toEqual([]);
  });

  test('holds none of what was opened a thousand times, whatever the allocator did meanwhile', async () => {
    const value = makeCanary('a value that was opened');
    const inverted = Buffer.from(value.bytes.map((byte) => byte ^ 0xff)).toString('hex');
    const script = ['--input-type=module', '--eval', OPENER, inverted];
    const program = startProcess({ command: [process.execPath, ...script] });
    await program.waitForLine(/^opened$/);
    expect(findInMemory([value], program.pid)).toEqual([]);
    await program.stop();
  });

  test('holds none after a new version, after a removal, and after the revocation of the agent', async () => {
    for (const name of ['served', 'live', 'login']) await ask(`/v1/secrets/${name}`);
    double.putSecret('served', 'another value');
    double.deleteSecret('login');
    await delivered();
    expect(await whatStays()).toEqual([]);
    await revoke();
    expect(await whatStays()).toEqual([]);
  });

  test('holds the key of its group’s bundles once, where nothing is swapped, dumped or inherited, and not after the revocation', async () => {
    expect((await readHealth()).memory).toEqual({ locked: true, dumpable: false, reason: null });
    const key = { name: 'delivery key', bytes: Buffer.from(double.group.delivery.key) };
    const [found, ...others] = searchMemory([key], agent.pid);
    expect(others).toEqual([]);
    // locked, not dumped, not copied by fork.
    expect(flagsAt(agent.pid, found?.address ?? 0)).toEqual(
      expect.arrayContaining(['lo', 'dd', 'dc']),
    );
    await revoke();
    expect(searchMemory([key], agent.pid)).toEqual([]);
  });

  test('holds no secret that was lent, and none that a reference led to, once they were served, nor after the revocation', async () => {
    await serveOthers();
    expect(await whatStays()).toEqual([]);
    await revoke();
    expect(await whatStays()).toEqual([]);
  });

  test('holds the keys of all values once, in that memory, and none of them after the revocation', async () => {
    await serveOthers();
    const keys = keysHeldBy(agent.pid);
    // Of the bundles, of leases, and two each of delivered values and of those that references led to.
    expect(keys).toHaveLength(6);
    expect(searchMemory(keys, agent.pid).map(({ canary }) => canary)).toEqual(
      keys.map(({ name }) => name),
    );
    await revoke();
    expect(searchMemory(keys, agent.pid)).toEqual([]);
    expect(keysHeldBy(agent.pid)).toEqual([]);
  });
});

describe('[SG-10] [AT-12] the disk of an agent', () => {
  /** The parts of the bundle as they were sent, and what is in them. */
  async function looked(): Promise<string[]> {
    const { durable, live } = await double.group.bundle();
    const wanted = [
      ...all(),
      { name: 'the sealed durable part', bytes: Buffer.from(durable) },
      { name: 'the sealed live part', bytes: Buffer.from(live ?? '') },
    ];
    const found = findCanaries(wanted, await filesBelow(enrolled.home.path));
    // A file that takes the place of another is there beside it for a moment.
    return [...new Set(found.map((each) => each.replace(/\.tmp$/, '')))];
  }
  const MAY_STAY = ['the sealed durable part in file state/bundle.json'];

  test('holds no plaintext, and nothing at all of what may not be kept: after delivery, a crash, a start and a stop', async () => {
    await until(async () => (await readHealth()).durable.revision === double.group.revision);
    for (const name of ['live', 'served', 'login']) await ask(`/v1/secrets/${name}`);
    expect(await looked()).toEqual(MAY_STAY);
    agent.kill('SIGKILL');
    await agent.exited;
    expect(await looked()).toEqual(MAY_STAY);
    await start();
    expect(await looked()).toEqual(MAY_STAY);
    await agent.stop();
    expect(await looked()).toEqual(MAY_STAY);
  });
});
