import { readAgentConfig, type ConfigFlags } from '../config.ts';
import type { CliContext } from './context.ts';
import {
  certificatePath,
  certificateReply,
  LocalClient,
  secretPath,
  secretReply,
} from './local-client.ts';

/** `get`: one secret's value, raw, with a line end only for a terminal. */
export async function getSecret(
  name: string,
  flags: ConfigFlags & { json?: boolean },
  { env, stdout }: CliContext,
): Promise<void> {
  const client = new LocalClient(readAgentConfig(flags, env).config.socket);
  const reply = await client.read(secretPath(name), secretReply);
  if (flags.json === true) stdout.write(`${JSON.stringify(reply)}\n`);
  else stdout.write(stdout.isTTY === true ? `${reply.value}\n` : reply.value);
}

/** `get --certificate`: the private key, then the chain, in PEM. */
export async function getCertificate(
  name: string,
  flags: ConfigFlags & { json?: boolean },
  { env, stdout }: CliContext,
): Promise<void> {
  const client = new LocalClient(readAgentConfig(flags, env).config.socket);
  const reply = await client.read(certificatePath(name), certificateReply);
  stdout.write(flags.json === true ? `${JSON.stringify(reply)}\n` : reply.key + reply.chain);
}
