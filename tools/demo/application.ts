import { once } from 'node:events';
import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

/** Between two questions. */
const PAUSE_MS = 5;

export type LocalReply = { status: number; body: string };

/** One request to the agent's socket, as `curl --unix-socket` would make it. */
export async function readLocally(socketPath: string, path: string): Promise<LocalReply> {
  const sent = request({ socketPath, path, headers: { host: 'localhost' } }).end();
  const [reply] = await once(sent, 'response');
  let body = '';
  for await (const chunk of reply) body += String(chunk);
  return { status: reply.statusCode, body };
}

/** Asks until the answer is right, as an eager application does, but leaves the processor to others. Gives the last answer up at the deadline. */
export async function readUntil(
  socketPath: string,
  path: string,
  right: (reply: LocalReply) => boolean,
  timeoutMs = 15_000,
): Promise<LocalReply> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const reply = await readLocally(socketPath, path).catch(() => ({ status: 0, body: '' }));
    if (right(reply) || performance.now() > deadline) return reply;
    await pause(PAUSE_MS);
  }
}

/** The value in a reply of `/v1/secrets/{name}`. */
export function valueOf({ body }: LocalReply): string {
  const parsed: unknown = body === '' ? {} : JSON.parse(body);
  const value: unknown =
    typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, 'value') : undefined;
  return typeof value === 'string' ? value : '';
}
