import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { expected } from '@sallyport/config/expectation';
import { Findings } from '@sallyport/config/findings';
import { ConfigError } from '@sallyport/config/load';
import { decodeText, type FileText } from '@sallyport/config/protected-file';
import { parseYaml } from '@sallyport/config/yaml-document';
import {
  MAX_CHAIN_BYTES,
  MAX_GROUP_BYTES,
  type BundleEntry,
  type CertificateValue,
  type LeasePolicy,
} from '@sallyport/contract';
import { CertificateError, readServerIdentity } from '@sallyport/tls/server-identity';
import type { z } from 'zod';
import { codeOf } from '../state/system-error.ts';
import { valuesSchema } from './values-schema.ts';

/** One entry of the group. With `lease` it is lent out, and not delivered. */
export type Content = {
  kind: BundleEntry['kind'];
  name: string;
  value: string;
  lease?: LeasePolicy | undefined;
};

type Values = z.output<typeof valuesSchema>;

/** A pipe would hold a thread until somebody wrote into it. */
const WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Everything that a values file holds, with the certificates that it names, as the control plane would take it.
 *
 * @throws ConfigError with every problem, each naming file and key, never a value
 */
export async function readValues(path: string): Promise<Content[]> {
  const findings = new Findings('the values');
  const values = valuesIn(path, await readText(path, MAX_GROUP_BYTES), findings);
  const contents = values === undefined ? [] : await contentsOf(path, values, findings);
  // Also what an editor leaves for a moment, while it writes the file anew.
  if (contents.length === 0 && findings.problems.length === 0)
    findings.problems.push(`${path} has no values in it`);
  if (findings.problems.length > 0) throw new ConfigError('sallyport-agent', findings.problems);
  return contents;
}

function valuesIn(path: string, content: FileText, findings: Findings): Values | undefined {
  if ('refused' in content) {
    findings.problems.push(`${path} ${content.refused}`);
    return undefined;
  }
  const document = parseYaml(path, content.text, findings);
  if (document === undefined) return undefined;
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

async function contentsOf(
  path: string,
  { secrets, config, certificates }: Values,
  findings: Findings,
): Promise<Content[]> {
  const pairs = certificates.map(async ([name, files]): Promise<Content | undefined> => {
    const value = await certificateOf({ path, name, ...files }, findings);
    return value && { kind: 'certificate', name, value: JSON.stringify(value) };
  });
  return [
    ...secrets.map(([name, secret]) => ({ name, ...secret })),
    ...config.map(([name, value]): Content => {
      return { kind: 'plugin', name, value: JSON.stringify(value) };
    }),
    ...(await Promise.all(pairs)).filter((each) => each !== undefined),
  ];
}

/** A chain and its key, held against one another as the control plane does. */
async function certificateOf(
  given: { path: string; name: string; chainFile: string; keyFile: string },
  findings: Findings,
): Promise<CertificateValue | undefined> {
  const { path, name } = given;
  const problem = (key: 'chainFile' | 'keyFile', what: string) =>
    findings.problem(['certificates', name, key], path, what);
  const textOf = async (key: 'chainFile' | 'keyFile') => {
    const content = await readText(resolve(dirname(path), given[key]), MAX_CHAIN_BYTES);
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

/** The text of a regular file, or why there is none, as the end of a sentence. */
async function readText(path: string, maxBytes: number): Promise<FileText> {
  try {
    await using file = await open(path, WITHOUT_WAITING);
    const stats = await file.stat();
    if (!stats.isFile()) return { refused: 'is no regular file' };
    if (stats.size > maxBytes) return { refused: `is larger than ${maxBytes} bytes` };
    return decodeText(await file.readFile());
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    return { refused: `cannot be read (${code})` };
  }
}
