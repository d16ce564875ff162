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
import { waitingFor } from './waiting-for.ts';

export type ScanFlags = { json?: boolean; app?: string };

type Scanned = { files: number; findings: Reported[]; passedOver: string[] };
type Reported = { file: string } & Omit<Finding, 'value'> & Proposal;

/** `scan`: what looks like a secret below a directory, and what to put in its place. Never what it is. */
export async function scanTree(
  path: string,
  flags: ScanFlags,
  { stdout, stderr }: CliContext,
): Promise<number> {
  const root = resolve(path);
  const app = flags.app ?? basename(root);
  const scanned: Scanned = { files: 0, findings: [], passedOver: [] };
  await waitingFor(
    () => `looking through the files, ${scanned.files} so far`,
    { stderr },
    scanFiles(root, app, scanned),
  );
  const { files, findings, passedOver } = scanned;
  if (flags.json === true) stdout.write(`${jsonText({ files, findings, passedOver })}\n`);
  else stdout.write(`${describe(files, findings, passedOver).map(printable).join('\n')}\n`);
  return findings.length === 0 ? exitCodes.ok : exitCodes.checksFailed;
}

/** Adds to `scanned` as it goes. @throws AgentError `usage.invalid` for what cannot be read */
async function scanFiles(root: string, app: string, scanned: Scanned): Promise<void> {
  const names = new NamesInUse();
  try {
    for await (const found of textFiles(root)) {
      const file = relative(root, found.path) || basename(root);
      if ('tooLarge' in found) {
        scanned.passedOver.push(file);
        continue;
      }
      scanned.files += 1;
      for (const finding of await findSecrets(found.path, found.text)) {
        const { value: _, ...where } = finding;
        scanned.findings.push({ file, ...where, ...proposalFor(app, file, finding, names) });
      }
    }
  } catch (error) {
    throw unreadable(error, root);
  }
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
