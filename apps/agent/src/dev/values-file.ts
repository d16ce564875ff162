import { dirname, resolve } from 'node:path';
import { expected } from '@sallyport/config/expectation';
import { Findings } from '@sallyport/config/findings';
import type { FileText } from '@sallyport/config/protected-file';
import { parseYaml } from '@sallyport/config/yaml-document';
import {
  ENTRY_BYTES,
  MAX_CHAIN_BYTES,
  MAX_GROUP_BYTES,
  type BundleEntry,
  type CertificateValue,
  type LeasePolicy,
} from '@sallyport/contract';
import { CertificateError, readServerIdentity } from '@sallyport/tls/server-identity';
import type { z } from 'zod';
import { readText } from './regular-file.ts';
import { valuesSchema } from './values-schema.ts';

/** One entry of the group. With `lease` it is lent out, and not delivered. */
export type Content = {
  kind: BundleEntry['kind'];
  name: string;
  value: string;
  lease?: LeasePolicy | undefined;
};

/** `files` are those that were read; the problems name file and key, never a value. */
export type ReadValues = { contents: Content[]; problems: readonly string[]; files: string[] };

type Values = z.output<typeof valuesSchema>;
type Reading = { path: string; findings: Findings; files: string[] };

/** Everything that a values file holds, with the certificates that it names, as the control plane would take it. */
export async function readValues(path: string): Promise<ReadValues> {
  const reading = { path, findings: new Findings('the values'), files: [path] };
  const { files, findings } = reading;
  const values = valuesIn(path, await readText(path, MAX_GROUP_BYTES), findings);
  const contents = values === undefined ? [] : await contentsOf(values, reading);
  // Also what an editor leaves for a moment, while it writes the file anew.
  if (contents.length === 0 && findings.problems.length === 0)
    findings.problems.push(`${path} has no values in it`);
  return { contents, problems: findings.problems, files };
}

function valuesIn(path: string, content: FileText, findings: Findings): Values | undefined {
  if ('refused' in content) {
    findings.problems.push(`${path} ${content.refused}`);
    return undefined;
  }
  const document = parseYaml(path, content.text, findings);
  if (document === undefined) return undefined;
  const loop = loopIn(document);
  if (loop !== undefined) {
    findings.problem(loop, path, 'an alias to what it is in; take it out');
    return undefined;
  }
  // By its aliases it may hold a hundred times what is written, and all that comes now would copy it.
  if (expandedBytes(document) > MAX_GROUP_BYTES) {
    findings.problems.push(tooLarge(path));
    return undefined;
  }
  const { data, error } = valuesSchema.safeParse(document);
  for (const issue of error?.issues ?? []) tell(issue, path, findings);
  return data;
}

function tell(issue: z.core.$ZodIssue, path: string, findings: Findings): void {
  if (issue.code === 'unrecognized_keys')
    for (const key of issue.keys) findings.problem([...issue.path, key], path, 'unknown key');
  else if (issue.code === 'invalid_key')
    for (const inner of issue.issues) findings.problem(issue.path, path, expected(inner));
  else findings.problem(issue.path, path, expected(issue));
}

function tooLarge(path: string): string {
  return `${path} holds more than ${MAX_GROUP_BYTES} bytes, the most that a group may`;
}

/** The path of what is the same as something that it is in. `known` has whether what was met is clear of that. */
function loopIn(value: unknown, known = new Map<unknown, boolean>()): PropertyKey[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const isClear = known.get(value);
  if (isClear !== undefined) return isClear ? undefined : [];
  known.set(value, false);
  for (const [key, inner] of Object.entries(value)) {
    const loop = loopIn(inner, known);
    if (loop !== undefined) return [Array.isArray(value) ? Number(key) : key, ...loop];
  }
  known.set(value, true);
  return undefined;
}

/** The text in it at least, counted once for each alias. `known` has what was counted. */
function expandedBytes(value: unknown, known = new Map<unknown, number>()): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value !== 'object' || value === null) return 1;
  let bytes = known.get(value);
  if (bytes === undefined) {
    bytes = 1;
    for (const [key, inner] of Object.entries(value))
      bytes += Buffer.byteLength(key) + expandedBytes(inner, known);
    known.set(value, bytes);
  }
  return bytes;
}

async function contentsOf(
  { secrets, config, certificates }: Values,
  reading: Reading,
): Promise<Content[]> {
  const contents = [
    ...secrets.map(([name, secret]): Content => ({ name, ...secret })),
    ...config.map(([name, value]): Content => {
      return { kind: 'plugin', name, value: JSON.stringify(value) };
    }),
  ];
  let bytes = contents.reduce((sum, content) => sum + bytesOf(content), 0);
  for (const [name, files] of certificates) {
    if (bytes > MAX_GROUP_BYTES) break;
    const value = await certificateOf({ name, ...files }, reading);
    if (value === undefined) continue;
    const content: Content = { kind: 'certificate', name, value: JSON.stringify(value) };
    bytes += bytesOf(content);
    contents.push(content);
  }
  if (bytes > MAX_GROUP_BYTES) reading.findings.problems.push(tooLarge(reading.path));
  return contents;
}

function bytesOf({ name, value }: Content): number {
  return Buffer.byteLength(name) + Buffer.byteLength(value) + ENTRY_BYTES;
}

/** A chain and its key, held against one another as the control plane does. */
async function certificateOf(
  given: { name: string; chainFile: string; keyFile: string },
  { path, findings, files }: Reading,
): Promise<CertificateValue | undefined> {
  const problem = (key: 'chainFile' | 'keyFile', what: string) =>
    findings.problem(['certificates', given.name, key], path, what);
  const textOf = async (key: 'chainFile' | 'keyFile') => {
    const file = resolve(dirname(path), given[key]);
    files.push(file);
    const content = await readText(file, MAX_CHAIN_BYTES);
    if ('text' in content) return content.text;
    problem(key, `the file ${content.refused}`);
    return undefined;
  };
  const [chain, key] = [await textOf('chainFile'), await textOf('keyFile')];
  if (chain === undefined || key === undefined) return undefined;
  try {
    const identity = await readServerIdentity({ chain, key }, Date.now());
    return { chain: identity.chain, key: identity.key };
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    problem(error.field === 'key' ? 'keyFile' : 'chainFile', error.message);
    return undefined;
  }
}
