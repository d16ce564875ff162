import { parseArgs } from 'node:util';
import { audit } from './audit.ts';
import { comeback } from './comeback.ts';
import { enroll } from './enroll.ts';
import { fanout } from './fanout.ts';
import { footprint } from './footprint.ts';
import { localRead } from './local-read.ts';
import { login } from './login.ts';
import { propagation } from './propagation.ts';
import { tableOf, type BenchResult } from './result.ts';
import { reveal } from './reveal.ts';
import { rewrap } from './rewrap.ts';
import { session } from './session.ts';

type Benchmark = {
  run: (size: number, say: (line: string) => void) => Promise<BenchResult>;
  size: number;
  what: string;
};

const benchmarks = new Map<string, Benchmark>([
  ['propagation', { run: propagation, size: 200, what: '--size changes to one agent' }],
  [
    'audit',
    { run: audit, size: 500_000, what: 'appends to an audit of 0, --size / 5 and --size events' },
  ],
  ['login', { run: login, size: 100, what: 'first uses of --size API keys, while others read' }],
  [
    'comeback',
    {
      run: comeback,
      size: 5_000,
      what: '--size agents return to a control plane that was killed, in a flood',
    },
  ],
  ['enroll', { run: enroll, size: 50, what: '--size enrolments by token, and ten times by CSR' }],
  ['reveal', { run: reveal, size: 1_000, what: 'audited reveals, --size in each of five rounds' }],
  ['fanout', { run: fanout, size: 1_000, what: 'one change to --size waiting agents' }],
  [
    'session',
    { run: session, size: 2_000, what: 'renewals of sessions, --size in each of five rounds' },
  ],
  [
    'footprint',
    { run: footprint, size: 1_000, what: 'memory and start of an agent with --size secrets' },
  ],
  [
    'local-read',
    {
      run: localRead,
      size: 10_000,
      what: 'reads over the agent’s socket, --size in each of five rounds',
    },
  ],
  ['rewrap', { run: rewrap, size: 50_000, what: 'a keyring rotation over --size values' }],
]);

const usage = `npm run bench -- <name> [--size N] [--json]\n${[...benchmarks]
  .map(([name, { what, size }]) => `  ${name}: ${what} (${size})`)
  .join('\n')}\n`;

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      size: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  if (values.help) return void process.stdout.write(usage);
  const benchmark = benchmarks.get(positionals[0] ?? '');
  const size = Number(values.size ?? benchmark?.size);
  if (benchmark === undefined || positionals.length !== 1 || !Number.isInteger(size) || size < 1)
    throw new Error(`usage: ${usage}`);
  const say = (line: string) => void process.stderr.write(`bench: ${line}\n`);
  const result = await benchmark.run(size, say);
  // The table goes where people look; with --json standard output ends with the object.
  process.stdout.write(tableOf(result));
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
}
