import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { systemContext as agentContext } from '../../apps/agent/src/cli/context.ts';
import { createProgram as createAgent } from '../../apps/agent/src/cli/program.ts';
import { createProgram as createCli } from '../../apps/cli/src/program.ts';
import { systemContext as operatorContext } from '../../apps/cli/src/system-context.ts';

type Command = ReturnType<typeof createCli>;

/**
 * `node tools/checks/documented-commands.ts [PAGE…]`: every command that README.md and docs/ show exists.
 * An npm script is looked up in package.json, a command and its options in what the two programs parse, an
 * option of the control plane in its usage, and a script that is run by path must be there.
 */
const programs: Record<string, Command> = {
  sallyport: createCli(operatorContext()),
  'sallyport-agent': createAgent(agentContext(), () => {}),
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
  const parsed = programs[program];
  if (parsed !== undefined) return problemWithProgram(parsed, rest);
  if (program === 'sallyport-server') return problemWithServer(rest);
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

let serverUsage: string | undefined;
function problemWithServer(words: string[]): string | undefined {
  const help = ['apps/control-plane/src/main.ts', '--help'];
  const usage = (serverUsage ??= execFileSync('node', help, { encoding: 'utf8' }));
  const unknown = optionsIn(words).find((option) => !usage.includes(option));
  return unknown && `sallyport-server has no option ${unknown}`;
}

function problemWithProgram(program: Command, words: string[]): string | undefined {
  const own = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
  const path = [program];
  for (const word of own.filter((part) => !part.startsWith('-'))) {
    const { commands } = path.at(-1) ?? program;
    // A placeholder or the value of an option can stand where a command could.
    if (commands.length === 0 || !/^[a-z][a-z-]*$/.test(word)) break;
    const next = commands.find((command) => command.name() === word);
    if (next === undefined) return `${nameOf(path)} has no command ${word}`;
    path.push(next);
  }
  const known = new Set(path.flatMap(({ options }) => options.map(({ long }) => long)));
  const unknown = optionsIn(own).find((option) => option !== '--help' && !known.has(option));
  return unknown && `${nameOf(path)} has no option ${unknown}`;
}

const nameOf = (path: Command[]): string => path.map((command) => command.name()).join(' ');
const optionsIn = (words: string[]): string[] =>
  words.filter((word) => /^--[a-z]/.test(word)).map((word) => word.replace(/=.*/, ''));

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
