import { jsonText, printable } from '@sallyport/contract';
import { readAgentConfig, type ConfigFlags } from '../config.ts';
import { listReply } from '../local-api/replies.ts';
import type { CliContext } from './context.ts';
import { LocalClient } from './local-client.ts';
import { reportNotice } from './report-failure.ts';
import { ASKING_AGENT, waitingFor } from './waiting-for.ts';

/** `list`: the names and versions of all that applications can read. */
export async function listNames(
  flags: ConfigFlags & { json?: boolean },
  { env, stdout, stderr }: CliContext,
): Promise<void> {
  const client = new LocalClient(readAgentConfig(flags, env).config.socket);
  const { secrets, configs, certificates } = await waitingFor(
    ASKING_AGENT,
    { stderr },
    readLists(client),
  );
  if (flags.json === true) {
    stdout.write(
      `${jsonText({ revision: secrets.revision, complete: secrets.complete, secrets: secrets.items, configs: configs.items, certificates: certificates.items })}\n`,
    );
    return;
  }
  if (!secrets.complete)
    reportNotice('what may not be kept on disk is unknown until the control plane is reached', {
      stderr,
    });
  if ([secrets, configs, certificates].every(({ items }) => items.length === 0))
    reportNotice('nothing is delivered that may be read here; what is lent out is never listed', {
      stderr,
    });
  for (const { name, version } of secrets.items)
    stdout.write(`secret  ${printable(name)}  version ${version}\n`);
  for (const { name, version } of configs.items)
    stdout.write(`config  ${printable(name)}  version ${version}\n`);
  for (const { name, version } of certificates.items)
    stdout.write(`certificate  ${printable(name)}  version ${version}\n`);
}

async function readLists(client: LocalClient) {
  return {
    secrets: await client.read('/v1/secrets', listReply),
    configs: await client.read('/v1/config', listReply),
    certificates: await client.read('/v1/certificates', listReply),
  };
}
