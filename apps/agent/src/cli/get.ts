import { z } from 'zod';
import { readAgentConfig, type ConfigFlags } from '../config.ts';
import type { CliContext } from './context.ts';
import { LocalClient } from './local-client.ts';

const secretReply = z.object({ value: z.string() });

/** `get`: one secret's value, raw, with a line end only for a terminal. */
export async function getSecret(
  name: string,
  flags: ConfigFlags & { json?: boolean },
  { env, stdout }: CliContext,
): Promise<void> {
  const body = await new LocalClient(readAgentConfig(flags, env).config.socket).get(
    `/v1/secrets/${encodeURI(name)}`,
  );
  if (flags.json === true) {
    stdout.write(Buffer.concat([body, Buffer.from('\n')]));
    return;
  }
  const { value } = secretReply.parse(JSON.parse(body.toString('utf8')));
  stdout.write(stdout.isTTY === true ? `${value}\n` : value);
}
