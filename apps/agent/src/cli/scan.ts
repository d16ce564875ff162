import { basename, relative, resolve } from 'node:path';
import { counted, jsonText, printable } from '@sallyport/contract';
import { AgentError } from '../agent-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { findSecrets, type Finding } from '../scan/find-secrets.ts';
import { NamesInUse } from '../scan/names-in-use.ts';
import { proposalFor, type Proposal } from '../scan/proposal.ts';
import { textFiles } from '../scan/text-files.ts';
import { codeOf, pathOf } from '../state/system-error.ts';
import type { CliContext } from './context.ts';

export type ScanFlags = { json?: boolean; app?: string };

type Reported = { file: string } & Omit<Finding, 'value'> & Proposal;

/** `scan`: what looks like a secret below a directory, and what to put in its place. Never what it is. */
export async function scanTree(
  path: string,
  flags: ScanFlags,
  { stdout, stderr }: CliContext,
): Promise<number> {
  const root = resolve(path);
  const app = flags.app ?? basename(root);
  const names = new NamesInUse();
  const findings: Reported[] = [];
  const passedOver: string[] = [];
  let files = 0;
  try {
    for await (const found of textFiles(root)) {
      const file = relative(root, found.path) || basename(root);
      if ('tooLarge' in found) {
        passedOver.push(file);
        continue;
      }
      files += 1;
      if (files % 500 === 0 && stderr.isTTY === true) stderr.write(`${files} files …\n`);
      for (const finding of await findSecrets(found.path, found.text)) {
        const { value: _, ...where } = finding;
        findings.push({ file, ...where, ...proposalFor(app, file, finding, names) });
      }
    }
  } catch (error) {
    throw unreadable(error, root);
  }
  if (flags.json === true) stdout.write(`${jsonText({ files, findings, passedOver })}\n`);
  else stdout.write(`${describe(files, findings, passedOver).map(printable).join('\n')}\n`);
  return findings.length === 0 ? exitCodes.ok : exitCodes.checksFailed;
}

function describe(files: number, findings: Reported[], passedOver: string[]): string[] {
  return [
    ...findings.flatMap(({ file, line, column, rule, key, store, use }) => [
      `${file}:${line}:${column}  ${rule}${key === undefined ? '' : ` (${key})`}`,
      `    keep it with   ${store}`,
      `    and use        ${use}`,
    ]),
    ...passedOver.map((file) => `${file}  passed over: larger than 1 MiB`),
    findings.length === 0
      ? `Nothing in ${counted(files, 'file')} looks like a secret.`
      : `${findings.length} of what is in ${counted(files, 'file')} looks like a secret. What was in a repository is known to whoever has it: change it, too.`,
  ];
}

function unreadable(error: unknown, root: string): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  const path = pathOf(error) ?? root;
  return new AgentError('usage.invalid', `the tree cannot be read (${code}): ${path}`, {
    advice: 'name a file or a directory all of which this user may read',
    cause: error,
  });
}
