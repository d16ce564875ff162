import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { EmbeddedPostgresError } from './failure.ts';
import { freePort } from './free-port.ts';
import type { Place } from './place.ts';
import { findPostmaster } from './postmaster.ts';
import type { Postmaster } from './postmaster.ts';
import { run } from './run.ts';

/** Told what goes on; `error` is what somebody has to look at. */
export type ServerLog = (message: string, level?: 'info' | 'error') => void;

export type ServerOptions = { flags: string[]; fsync: boolean; log: ServerLog };

const START_SECONDS = 120;
const STOP_SECONDS = 30;
const ORPHANS_MS = 15_000;
const PORT_ATTEMPTS = 5;

// Statements and details of errors would carry values into server.log.
const QUIET_LOG = [
  '-c',
  'log_min_error_statement=panic',
  '-c',
  'log_error_verbosity=terse',
  '-c',
  'log_checkpoints=off',
];
const NO_FSYNC = ['-c', 'fsync=off', '-c', 'full_page_writes=off', '-c', 'synchronous_commit=off'];

/** Starts the server in a session of its own, on a free port of 127.0.0.1 (or on `port`), without a unix socket. */
export async function startServer(
  place: Place,
  options: ServerOptions,
  port?: number,
): Promise<Postmaster> {
  const begun = Date.now();
  for (let attempt = 1; ; attempt += 1) {
    const failure = await tryStart(place, options, port ?? (await freePort()));
    const running = await findPostmaster(place, options.log);
    if (running !== undefined) return running;
    const portTaken = failure.includes('Address already in use') && attempt < PORT_ATTEMPTS;
    // Backends of a killed server hold its memory until they notice that it is gone.
    const orphans = failure.includes('shared memory block') && Date.now() - begun < ORPHANS_MS;
    if (!portTaken && !orphans) {
      throw new EmbeddedPostgresError(
        `The embedded database in ${place.directory} does not start:\n${failure}`,
      );
    }
    await pause(100);
  }
}

async function tryStart(place: Place, options: ServerOptions, port: number): Promise<string> {
  const logged = await stat(place.logFile).then(
    ({ size }) => size,
    () => 0,
  );
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', `port=${port}`];
  const flags = [
    ...settings.flatMap((setting) => ['-c', setting]),
    ...QUIET_LOG,
    ...(options.fsync ? [] : NO_FSYNC),
  ];
  const { code, output } = await pgCtl(place, [
    '-w',
    '-t',
    String(START_SECONDS),
    '-l',
    place.logFile,
    '-o',
    [...flags, ...options.flags].map(shellQuoted).join(' '),
    'start',
  ]);
  if (code === 0) return '';
  const lines = (await readFrom(place.logFile, logged)).trim().split('\n').slice(-8);
  return [output.split('\n').at(-1) ?? '', ...lines].join('\n');
}

/** Ends the server and waits until its last checkpoint is on disk. Open connections are cut. */
export async function stopServer(place: Place, log: (message: string) => void): Promise<void> {
  const wait = ['-w', '-t', String(STOP_SECONDS)];
  const fast = await pgCtl(place, [...wait, '-m', 'fast', 'stop']);
  if (fast.code === 0 || (await findPostmaster(place, log)) === undefined) return;
  const immediate = await pgCtl(place, [...wait, '-m', 'immediate', 'stop']);
  if (immediate.code === 0) return;
  throw new EmbeddedPostgresError(
    `The embedded database in ${place.directory} does not stop: ${immediate.output}`,
  );
}

function pgCtl(place: Place, args: string[]) {
  const options = { cwd: place.directory, user: place.user };
  return run(join(place.binaries, 'pg_ctl'), ['-D', place.dataDirectory, ...args], options);
}

async function readFrom(path: string, position: number): Promise<string> {
  return (await readFile(path)).subarray(position).toString('utf8');
}

function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
