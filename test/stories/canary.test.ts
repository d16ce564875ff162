import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { startProcess } from '@sallyport/testkit/process';
import { queueLegs } from '@sallyport/testkit/redis';
import { startTcpGate, type TcpGate } from '@sallyport/testkit/tcp-gate';
import { plantInRedis, redisContents } from '../../apps/control-plane/test/redis-contents.ts';
import { findCanaries, textOf, type Canary, type Place } from '../fixtures/canaries.ts';
import { Installation, redisDatabase } from '../fixtures/installation.ts';
import {
  databaseContents,
  filesBelow,
  processesNow,
  walPosition,
  writtenBy,
} from '../fixtures/places.ts';
import { startProgram } from '../fixtures/program.ts';
import { journey, makeCanaries } from './canary-journey.ts';

const REDIS_DATABASE = 7;

/** What is meant to hold a secret: files of their owner alone, and the output of who asked for one. */
const MEANT = [
  'agent’s encryption key in file host/identity.json',
  'agent’s signing key in file host/identity.json',
  'enrollment token in stdout of cli token create',
  'owner password in file owner-password',
  'root key in file root-key',
  'secret over the CLI in stdout of agent get cli',
  'secret over the CLI in stdout of cli secret reveal cli',
  'session token of the CLI in file operator/session.json',
];

describe.each(queueLegs())('[F-24] with the queue on $name, a canary', (leg) => {
  let installation: Installation;
  let gate: TcpGate;
  const canaries = makeCanaries();
  let all: Canary[];
  let walFrom: string;
  const running: Place[] = [];
  const replies: Place[] = [];
  const redisUrl =
    leg.redisUrl === undefined ? undefined : redisDatabase(leg.redisUrl, REDIS_DATABASE);

  beforeAll(async () => {
    installation = await Installation.create({
      leg: { ...leg, redisUrl },
      ownerPassword: textOf(canaries.password),
      reach: (databaseUrl) => {
        const url = new URL(databaseUrl);
        url.port = String(gate.port);
        return url.href;
      },
    });
    const { hostname: host, port } = new URL(installation.databaseUrl);
    gate = await startTcpGate({ host, port: Number(port) });
    walFrom = await walPosition(installation.databaseUrl);
    all = [...Object.values(canaries), ...(await journey(installation, gate, canaries, replies))];
    running.push(...(await processesNow()));
    await Promise.all(installation.programs.map(({ process }) => process.stop()));
  });
  afterAll(async () => {
    await installation.end();
    await gate.close();
  });

  async function places(): Promise<Place[]> {
    const inRedis = redisUrl === undefined ? [] : await redisContents(redisUrl);
    return [
      ...running,
      ...replies,
      ...writtenBy(installation.programs),
      ...(await filesBelow(installation.folder)),
      ...(await databaseContents(installation.databaseUrl, walFrom)),
      ...inRedis.map(({ name, bytes }) => ({ name: `Redis key ${name}`, bytes })),
    ];
  }

  test('[AX-20] [A7-03] [A7-10] [A7-16] is found where it is meant to be, and nowhere else: no log, reply, row, audit event, export, file of the database, write-ahead log, Redis key, argument or temporary file', async () => {
    expect(findCanaries(all, await places())).toEqual(MEANT);
  });

  test('is found where it was planted: the search sees what it looks at', async () => {
    const { databaseUrl, folder } = installation;
    const plain = textOf(canaries.overRest);
    await writeFile(join(folder, 'tmp', 'core'), Buffer.from(plain, 'utf16le'));
    await asAdmin(databaseUrl, async (client) => {
      await client.query('CREATE TABLE planted (bytes bytea, document jsonb)');
      const document = { nested: Buffer.from(`x${plain}`).toString('base64url') };
      await client.query('INSERT INTO planted VALUES ($1, $2)', [Buffer.from(plain), document]);
      await client.query(
        `INSERT INTO audit_events SELECT gen_random_uuid(), at, actor_kind, actor_id, actor_name, action, subject,
           group_id, outcome, address, request_id, jsonb_build_object('name', $1::text), -1 FROM audit_events LIMIT 1`,
        [plain],
      );
    });
    if (redisUrl !== undefined) await plantInRedis(redisUrl, 'planted', plain);
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()', plain], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    await once(child, 'spawn');
    const shown = await processesNow();
    const careless = startProgram('cli', ['--version'], { env: { LEAKED: plain } });
    await careless.process.exited;
    const talkative = {
      ...careless,
      process: startProcess({
        command: [process.execPath, '-e', 'process.stdin.pipe(process.stderr)'],
        input: `${plain}\n`,
      }),
    };
    await talkative.process.exited;
    replies.push({ name: 'reply to PUT /planted', bytes: Buffer.from(`"${plain}"`) });
    await appendFile(join(folder, 'audit.jsonl'), JSON.stringify({ event: { subject: plain } }));
    child.stdin.end();
    await once(child, 'close');

    const found = findCanaries(
      [canaries.overRest],
      [...shown, ...writtenBy([careless, talkative]), ...(await places())],
    );
    expect(found).toEqual(
      expect.arrayContaining([
        ...(process.platform === 'linux'
          ? [
              'secret over REST in arguments of a running process',
              'secret over REST in environment of cli ',
            ]
          : []),
        'secret over REST in database file planted',
        'secret over REST in database file write-ahead log',
        'secret over REST in file audit.jsonl',
        'secret over REST in file tmp/core',
        'secret over REST in reply to PUT /planted',
        'secret over REST in stderr of cli ',
        'secret over REST in table public.audit_events',
        'secret over REST in table public.planted',
        ...(redisUrl === undefined ? [] : ['secret over REST in Redis key planted']),
      ]),
    );
  });
});
