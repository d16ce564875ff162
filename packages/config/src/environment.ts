import { didYouMean } from './closest-name.ts';
import { coerceText } from './coerce.ts';
import { isUnset } from './expand.ts';
import type { Findings } from './findings.ts';
import type { Environment } from './load.ts';
import { exposureOf, readText, secretIn } from './protected-file.ts';
import { type Setting, variablesOf } from './settings.ts';

/** `file` is the one that holds the value, where the variable names one. */
export type FromEnvironment = { setting: Setting; origin: string; value: unknown; file?: string };

/** The variables that Kubernetes and Docker set in every container for a Service or link of this name. */
function isServiceLink(name: string, value: string): boolean {
  if (name.endsWith('_PORT')) return /^(tcp|udp|sctp):\/\//.test(value);
  return /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name);
}

function secretFromFile(setting: Setting, name: string, path: string, findings: Findings) {
  const content = readText(path);
  if ('refused' in content) {
    findings.problem(setting.path, name, `the file that it names ${content.refused}`);
    return undefined;
  }
  const exposure = exposureOf(path, true);
  if (exposure !== undefined)
    findings.warning(setting.path, name, `the file that it names ${exposure}`);
  const value = secretIn(content.text);
  if (value === '') findings.problem(setting.path, name, 'the file that it names is empty');
  return value === '' ? undefined : { setting, origin: name, value, file: path };
}

function readSetting(setting: Setting, env: Environment, findings: Findings) {
  const [name = '', fileName = ''] = variablesOf(setting).filter((each) => !isUnset(env, each));
  const text = env[name];
  if (text === undefined || isServiceLink(name, text)) return undefined;
  if (fileName !== '') {
    findings.problem(setting.path, undefined, `${name} and ${fileName} are both set; keep one`);
    return undefined;
  }
  if (name !== setting.variable) return secretFromFile(setting, name, text, findings);
  return { setting, origin: name, value: coerceText(setting.core, text) };
}

/** The settings that the environment gives; what is wrong goes to `findings`. */
export function readEnvironment(
  settings: readonly Setting[],
  env: Environment,
  findings: Findings,
): FromEnvironment[] {
  return settings.flatMap((setting) => readSetting(setting, env, findings) ?? []);
}

/** A pattern is a name, or the beginning of names followed by `*`. */
function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** Refuses `SALLYPORT_*` variables that nothing reads: each is most likely a mistyped one. */
export function refuseUnknownVariables(
  settings: readonly Setting[],
  env: Environment,
  readElsewhere: Iterable<string>,
  findings: Findings,
): void {
  const known = settings.flatMap(variablesOf);
  const exempt = [...known, ...readElsewhere];
  for (const [name, value = ''] of Object.entries(env)) {
    if (!name.startsWith('SALLYPORT_') || isServiceLink(name, value)) continue;
    if (exempt.some((pattern) => matches(pattern, name))) continue;
    findings.problems.push(`${name}: unknown variable${didYouMean(name, known)}`);
  }
}
