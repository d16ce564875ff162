import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { problem } from '@sallyport/contract';
import { AgentError } from '../agent-error.ts';
import { codeOf } from '../state/system-error.ts';

const TIMEOUT_MS = 10_000;

export type LocalReply = { status: number; body: Buffer };

/** Asks the running agent over its socket. */
export class LocalClient {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** The reply, whatever its status. Throws AgentError `agent.unreachable`. */
  async ask(path: string): Promise<LocalReply> {
    const sent = request({ socketPath: this.#socket, path, agent: false, timeout: TIMEOUT_MS });
    sent.once('timeout', () => sent.destroy(new Error('timeout')));
    sent.end();
    try {
      const [response]: IncomingMessage[] = await once(sent, 'response');
      if (response === undefined) throw new Error('no response');
      return { status: response.statusCode ?? 0, body: await buffer(response) };
    } catch (error) {
      throw unreachable(this.#socket, error);
    }
  }

  /** The body of a successful reply. Throws the agent's own refusal otherwise. */
  async get(path: string): Promise<Buffer> {
    const { status, body } = await this.ask(path);
    if (status === 200) return body;
    const { code, detail } = problem.parse(JSON.parse(body.toString('utf8')));
    throw new AgentError(code, detail, { status });
  }
}

function unreachable(socket: string, cause: unknown): AgentError {
  if (codeOf(cause) === 'EACCES') {
    return new AgentError('agent.unreachable', `this user may not use the socket ${socket}`, {
      advice: 'run as the agent’s user, or set the agent’s socketMode',
      cause,
    });
  }
  return new AgentError(
    'agent.unreachable',
    `no agent answers at ${socket} (${codeOf(cause) ?? 'no reply'})`,
    {
      advice: 'start it with: sallyport-agent run, or name its socket with --socket',
      cause,
    },
  );
}
