import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

/**
 * `node tools/checks/documented-commands.ts [PAGE…]`: every command that README.md and docs/ show exists.
 * An npm script is looked up in package.json, a command of the three programs and its options in
 * `--help`, and a script that is run by path must be there.
 */
const PROGRAMS: Record<string, string> = {
  sallyport: 'apps/cli/src/main.ts',
  'sallyport-agent': 'apps/agent/src/main.ts',
  'sallyport-server': 'apps/control-plane/src/main.ts',
};
const { scripts } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')));

interface Shown {
  readonly where: string;
  readonly words: string[];
}

/** The commands in a page's shell blocks and in its inline code, prompts and variables taken off. */
function commandsIn(page: string): Shown[] {
  const shown: Shown[] = [];
  let block: string | undefined;
  const text = readFileSync(page, 'utf8').replaceAll('\\\n', ' ');
  text.split('\n').forEach((line, index) => {
    const where = `${page}:${index + 1}`;
    const fence = /^\s*```(\w*)/.exec(line);
    if (fence) block = block === undefined ? (fence[1] ?? '') : undefined;
    else if (block === undefined) {
      for (const [, code] of line.matchAll(/`([^`]+)`/g)) shown.push(...split(where, code ?? ''));
    } else if (/^(sh|bash|console|shell|)$/.test(block)) shown.push(...split(where, line));
  });
  return shown;
}

function split(where: string, line: string): Shown[] {
  const code = line.replace(/^\s*\$ /, '').replace(/(^|\s)#.*$/, '');
  return code.split(/&&|\|\|?|;|\$\(/).map((command) => ({
    where,
    words: command
      .trim()
      .replace(/^((sudo|exec|export|[A-Z_]+=\S*)\s+)+/, '')
      .split(/\s+/),
  }));
}

function problemWith([name = '', ...rest]: string[]): string | undefined {
  if (name === 'npm') return problemWithNpm(rest);
  const program = name.replace(/^(\.\/)?bin\//, '');
  if (program !== name && !existsSync(`bin/${program}`)) return `bin/${program} is not there`;
  if (Object.hasOwn(PROGRAMS, program)) return problemWithProgram(program, rest);
  if (name === 'node' && /\.(ts|mjs)$/.test(rest[0] ?? '') && !existsSync(rest[0] ?? '')) {
    return `${rest[0]} is not there`;
  }
  return undefined;
}

function problemWithNpm(words: string[]): string | undefined {
  const [verb = '', script] = words.filter((word) => !word.startsWith('-'));
  const named = verb === 'run' ? script : ['start', 'test'].includes(verb) ? verb : undefined;
  return named === undefined || scripts[named] !== undefined
    ? undefined
    : `npm run ${named} is no script`;
}

const helpTexts = new Map<string, string>();
function helpOf(program: string, path: string[]): string {
  const key = [program, ...path].join(' ');
  const known = helpTexts.get(key);
  if (known !== undefined) return known;
  const { stdout } = spawnSync('node', [PROGRAMS[program] ?? '', ...path, '--help'], {
    encoding: 'utf8',
    // A program is started for each command that is shown: compiled anew they take a minute.
    env: { ...process.env, NODE_COMPILE_CACHE: 'node_modules/.cache/node-compile' },
  });
  helpTexts.set(key, stdout);
  return stdout;
}

function subcommandsIn(help: string): string[] {
  const list = /^Commands:\n([\s\S]*)/m.exec(help)?.[1] ?? '';
  return [...list.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name]) => name ?? '');
}

function problemWithProgram(program: string, words: string[]): string | undefined {
  const path: string[] = [];
  const own = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
  for (const word of own.filter((part) => !part.startsWith('-'))) {
    const subcommands = subcommandsIn(helpOf(program, path));
    // A placeholder or the value of an option can stand where a command could.
    if (subcommands.length === 0 || !/^[a-z][a-z-]*$/.test(word)) break;
    if (!subcommands.includes(word))
      return `${[program, ...path].join(' ')} has no command ${word}`;
    path.push(word);
  }
  const help = helpOf(program, path) + helpOf(program, []);
  const unknown = own
    .filter((word) => /^--[a-z]/.test(word))
    .map((word) => word.replace(/=.*/, ''))
    .find((option) => !help.includes(option));
  return unknown && `${[program, ...path].join(' ')} has no option ${unknown}`;
}

const tracked = execFileSync('git', ['ls-files', 'README.md', 'CONTRIBUTING.md', 'docs/*.md'], {
  encoding: 'utf8',
});
const named = process.argv.slice(2);
const pages = named.length > 0 ? named : tracked.split('\n').filter(existsSync);
const problems = pages
  .flatMap(commandsIn)
  .map(({ where, words }) => ({ where, problem: problemWith(words) }))
  .filter(({ problem }) => problem !== undefined);
if (named.length === 0 && !pages.includes('README.md')) {
  problems.push({ where: 'README.md', problem: 'is not tracked' });
}
process.stdout.write(problems.map(({ where, problem }) => `${where}: ${problem}\n`).join(''));
process.exitCode = problems.length === 0 ? 0 : 1;
