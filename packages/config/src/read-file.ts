import { readFileSync, statSync } from 'node:fs';
import { parseDocument } from 'yaml';
import type { Leaf } from './leaves.ts';
import type { Environment } from './load.ts';

export type FileReading = {
  content: Record<string, unknown>;
  problems: string[];
  warnings: string[];
};

/** Reads a YAML file and expands `${VARIABLE}` in its strings. Unknown keys are left for the schema to refuse. */
export function readConfigFile(path: string, leaves: Leaf[], env: Environment): FileReading {
  const reading: FileReading = { content: {}, problems: [], warnings: [] };
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
    if ((statSync(path).mode & 0o002) !== 0)
      reading.warnings.push(`${path} can be changed by everyone; run: chmod 640 ${path}`);
  } catch {
    reading.problems.push(`${path} cannot be read; correct the path of the configuration file`);
    return reading;
  }
  const document = parseDocument(text, { prettyErrors: false });
  const [error] = document.errors;
  const content: unknown = error === undefined ? document.toJS() : undefined;
  if (error !== undefined || !isRecord(content ?? {})) {
    reading.problems.push(
      `${path} is not a YAML mapping (${error?.code ?? 'it holds something else'})`,
    );
    return reading;
  }
  const secrets = new Set(
    leaves.filter((leaf) => leaf.isSecret).map((leaf) => leaf.path.join('.')),
  );
  reading.content = isRecord(content)
    ? expandRecord(content, [], { env, secrets, path, reading })
    : {};
  return reading;
}

type Expansion = { env: Environment; secrets: Set<string>; path: string; reading: FileReading };

function expandRecord(
  record: Record<string, unknown>,
  at: string[],
  into: Expansion,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [key, expand(value, [...at, key], into)]),
  );
}

function expand(value: unknown, at: string[], into: Expansion): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => expand(item, at, into));
  if (isRecord(value)) return expandRecord(value, at, into);
  if (typeof value !== 'string') return value;
  const key = at.join('.');
  if (into.secrets.has(key) && !value.includes('${')) {
    into.reading.warnings.push(
      `${key} stands in plain text in ${into.path}; move it to the environment or to a file named by its _FILE variable`,
    );
  }
  return value.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_whole, name: string) => {
    const found = into.env[name];
    if (found === undefined)
      into.reading.problems.push(
        `${key} (${into.path}) names the variable ${name}, which is not set`,
      );
    return found ?? '';
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
