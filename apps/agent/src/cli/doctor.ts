import { valueOf } from '@sallyport/config/expand';
import { ConfigError } from '@sallyport/config/load';
import { jsonText, printable } from '@sallyport/contract';
import { sentenceOf } from '../agent-error.ts';
import { systemClock } from '../clock.ts';
import { CONFIG_FILE_VARIABLE, readAgentConfig, type ConfigFlags } from '../config.ts';
import { examine, type Finding } from '../doctor/checks.ts';
import { failed, ok, warning, type Found } from '../doctor/finding.ts';
import { Host } from '../doctor/host.ts';
import { exitCodes } from '../exit-codes.ts';
import type { CliContext } from './context.ts';
import { waitingFor } from './waiting-for.ts';

/** `doctor`: everything that an operator would look at by hand. Returns the exit code. */
export async function showDoctor(
  flags: ConfigFlags & { json?: boolean },
  context: CliContext,
): Promise<number> {
  const looking = examineAll(flags, context);
  const findings = await waitingFor('looking at this host and its control plane', context, looking);
  const isWell = findings.every(({ outcome }) => outcome !== 'failed');
  const text =
    flags.json === true
      ? jsonText({ ok: isWell, findings: findings.map(shown) })
      : findings.map(lineOf).map(printable).join('\n');
  context.stdout.write(`${text}\n`);
  return isWell ? exitCodes.ok : exitCodes.checksFailed;
}

/** Without a configuration there is nothing else to look at. */
async function examineAll(flags: ConfigFlags, { env }: CliContext): Promise<Finding[]> {
  const of = (found: Found) => ({ check: 'configuration', ...found });
  try {
    const { config, warnings } = readAgentConfig(flags, env);
    const host = new Host(config, env, systemClock);
    const own =
      warnings.length === 0 ? [ok(validated(flags, env))] : warnings.map((text) => warning(text));
    return [...own.map(of), ...(await examine(host))];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => of(failed(problem)));
  }
}

/** A file that the agent was started with and that this command was not is easily missed. */
function validated({ config }: ConfigFlags, env: CliContext['env']): string {
  const file = config ?? valueOf(env, CONFIG_FILE_VARIABLE);
  return file === undefined
    ? `is valid, without a file: none is named by --config or ${CONFIG_FILE_VARIABLE}`
    : `${file} is valid`;
}

function shown({ check, outcome, detail, advice }: Finding) {
  return { check, outcome, detail, advice: advice ?? null };
}

function lineOf({ check, outcome, detail, advice }: Finding): string {
  const sentence = sentenceOf({ message: detail, advice });
  return `${outcome.padEnd(8)} ${check.padEnd(18)} ${sentence}`;
}
