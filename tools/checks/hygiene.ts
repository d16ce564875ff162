import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';

/** `node tools/checks/hygiene.ts`: what no other tool looks at, over every tracked file. */
const MAX_LINES = 300;
const DRAWER = /(^|\/)(utils?|helpers?|common|misc|types|interfaces|lib)(\/|\.[a-z]+$)/;
const MADE_BY_TOOLS = /^(pnpm-lock\.yaml|LICENSE|docs\/openapi\.json|prisma\/migrations\/)/;
const NOT_FOR_OTHER_MACHINES: Record<string, RegExp> = {
  'a path of one machine':
    /\/(work|tmp\/work)\/(main|shared)|\/(Users|root)\/[a-z.]|\/home\/(?!node\b)/,
  'a registry host': /registry\.(npmjs|yarnpkg|npmmirror)\b|\bnpm\.pkg\.|\bunpkg\.|deb\.debian\b/,
};

function sizeAndName(path: string, text: string): string[] {
  const problems: string[] = [];
  const lines = text.split('\n').length - 1;
  if (/\.(ts|tsx|mjs|sql|sh)$/.test(path) && lines > MAX_LINES) {
    problems.push(`${path}: ${lines} lines, more than ${MAX_LINES}`);
  }
  if (DRAWER.test(path)) problems.push(`${path}: a drawer; name it after what it knows`);
  return problems;
}

function machineTraces(path: string, text: string): string[] {
  return text.split('\n').flatMap((line, index) =>
    Object.entries(NOT_FOR_OTHER_MACHINES)
      .filter(([, pattern]) => pattern.test(line))
      .map(([what]) => `${path}:${index + 1}: ${what}`),
  );
}

const solution = z.object({ references: z.array(z.object({ path: z.string() })) });

/** A TypeScript file that no referenced project includes would pass every type check unread. */
function uncheckedFolders(paths: string[]): string[] {
  const { references } = solution.parse(JSON.parse(readFileSync('tsconfig.json', 'utf8')));
  const referenced = new Set(references.map(({ path }) => path));
  const folders = new Set(
    paths.filter((path) => path.endsWith('.ts') && path.includes('/')).map(nearestProject),
  );
  return [...folders]
    .filter((folder) => !referenced.has(folder))
    .map((folder) => `${folder}: its TypeScript is in no project that tsconfig.json references`);
}

function nearestProject(path: string): string {
  const folder = dirname(path);
  return folder === '.' || existsSync(join(folder, 'tsconfig.json'))
    ? folder
    : nearestProject(folder);
}

const tracked = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' })
  .split('\0')
  .filter((path) => path !== '' && existsSync(path) && !MADE_BY_TOOLS.test(path));
const problems = tracked.flatMap((path) => {
  const text = readFileSync(path, 'utf8');
  const isThis = basename(path) === basename(import.meta.filename);
  return [...sizeAndName(path, text), ...(isThis ? [] : machineTraces(path, text))];
});
problems.push(...uncheckedFolders(tracked));
process.stdout.write(problems.map((problem) => `${problem}\n`).join(''));
process.exitCode = problems.length === 0 ? 0 : 1;
