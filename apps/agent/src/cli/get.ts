import { jsonText } from '@sallyport/contract';
import { readAgentConfig, type ConfigFlags } from '../config.ts';
import { certificateReply, secretReply } from '../local-api/replies.ts';
import type { CliContext } from './context.ts';
import { certificatePath, LocalClient, secretPath, VALUES_TIMEOUT_MS } from './local-client.ts';
import { ASKING_AGENT, waitingFor } from './waiting-for.ts';

export type GetFlags = ConfigFlags & { json?: boolean; field?: string };

/** `get`: one secret's value, or that of one of its fields, raw, with a line end only for a terminal. */
export async function getSecret(
  name: string,
  flags: GetFlags,
  { env, stdout, stderr }: CliContext,
): Promise<void> {
  const client = new LocalClient(readAgentConfig(flags, env).config.socket, VALUES_TIMEOUT_MS);
  // A reference is looked up elsewhere.
  const asked = client.read(secretPath(name, flags.field), secretReply);
  const reply = await waitingFor(ASKING_AGENT, { stderr }, asked);
  if (flags.json === true) stdout.write(`${jsonText(reply)}\n`);
  else stdout.write(stdout.isTTY === true ? `${reply.value}\n` : reply.value);
}

/** `get --certificate`: the private key, then the chain, in PEM. */
export async function getCertificate(
  name: string,
  flags: GetFlags,
  { env, stdout, stderr }: CliContext,
): Promise<void> {
  const client = new LocalClient(readAgentConfig(flags, env).config.socket);
  const asked = client.read(certificatePath(name), certificateReply);
  const reply = await waitingFor(ASKING_AGENT, { stderr }, asked);
  stdout.write(flags.json === true ? `${jsonText(reply)}\n` : reply.key + reply.chain);
}
