import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { MAX_REPLY_BYTES, problem, resourceName } from '@sallyport/contract';
import type { z } from 'zod';
import { AgentError } from '../agent-error.ts';
import { assertPathFits } from '../local-api/claim-socket.ts';
import { responseTo } from '../response-to.ts';
import { codeOf } from '../state/system-error.ts';

const TIMEOUT_MS = 10_000;
/** For values: the agent asks a provider for as long as references.timeoutSeconds says, which is two minutes at most. */
export const VALUES_TIMEOUT_MS = 130_000;
/** The agent says every 15 s that it is there. */
const SILENCE_MS = 45_000;

/** The path of a secret, or of one field of it. Throws AgentError `usage.invalid` for what cannot be a secret's name. */
export function secretPath(name: string, field?: string): string {
  const path = valuePath('secrets', name, 'secret');
  return field === undefined ? path : `${path}?field=${encodeURIComponent(field)}`;
}

/** The path of a certificate. Throws AgentError `usage.invalid` for what cannot be a certificate's name. */
export function certificatePath(name: string): string {
  return valuePath('certificates', name, 'certificate');
}

/** The path of a configuration. Throws AgentError `usage.invalid` for what cannot be a configuration's name. */
export function configPath(name: string): string {
  return valuePath('config', name, 'configuration');
}

function valuePath(collection: string, name: string, what: string): string {
  if (resourceName.safeParse(name).success) return `/v1/${collection}/${name}`;
  throw new AgentError('usage.invalid', `that cannot be the name of a ${what}`, {
    advice: 'see what there is with: sallyport-agent list',
  });
}

/** Asks the running agent over its socket. */
export class LocalClient {
  readonly #socket: string;
  readonly #timeoutMs: number;
  readonly #stopping: AbortSignal | undefined;

  /** @throws AgentError `socket.path_too_long` */
  constructor(socket: string, timeoutMs = TIMEOUT_MS, stopping?: AbortSignal) {
    assertPathFits(socket);
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    this.#stopping = stopping;
  }

  /** One whose questions are given up on once `stopping` aborts: no agent answers then. */
  until(stopping: AbortSignal): LocalClient {
    return new LocalClient(this.#socket, this.#timeoutMs, stopping);
  }

  /**
   * A reply of the given shape, whatever its status.
   *
   * @throws AgentError `agent.unreachable`, `agent.unrecognised`, and the agent's own refusals
   */
  async read<Output>(path: string, schema: z.ZodType<Output>): Promise<Output> {
    return this.send('GET', path, schema);
  }

  /** What the agent answers to a request that may change something. @throws AgentError as `read` */
  async send<Output>(
    method: 'GET' | 'POST',
    path: string,
    schema: z.ZodType<Output>,
    json?: object,
  ): Promise<Output> {
    const { status, body } = await this.#ask(path, method, json);
    const reply = jsonOf(body);
    const parsed = schema.safeParse(reply);
    if (parsed.success) return parsed.data;
    throw this.#refusal(status, reply);
  }

  /** The same for what is answered without a body. @throws AgentError as `read` */
  async sendOnly(method: 'DELETE', path: string): Promise<void> {
    // What needs no value has its answer at once, whoever waits for values.
    const { status, body } = await this.#ask(path, method, undefined, TIMEOUT_MS);
    if (status !== 204) throw this.#refusal(status, jsonOf(body));
  }

  /** What the agent answers with 200, parsed. @throws AgentError as `read` */
  async readJson(path: string): Promise<unknown> {
    const { status, body } = await this.#ask(path);
    const json = jsonOf(body);
    if (status === 200) return json;
    throw this.#refusal(status, json);
  }

  /**
   * The stream of changes from after the given revision, as it comes.
   *
   * @throws AgentError as `read`
   */
  async watch(lastEventId: number, signal: AbortSignal): Promise<IncomingMessage> {
    const headers = { 'last-event-id': lastEventId };
    const options = { socketPath: this.#socket, path: '/v1/watch', agent: false, headers, signal };
    const sent = request({ ...options, timeout: SILENCE_MS });
    sent.on('timeout', () => sent.destroy());
    const refused = await this.#answerTo(sent, async (response) =>
      response.statusCode === 200
        ? response
        : { status: response.statusCode ?? 0, body: await this.#bodyOf(response) },
    );
    if (!('body' in refused)) return refused;
    throw this.#refusal(refused.status, jsonOf(refused.body));
  }

  #refusal(status: number, body: unknown): AgentError {
    const refusal = problem.safeParse(body);
    if (!refusal.success) return unrecognised(this.#socket);
    return new AgentError(refusal.data.code, refusal.data.detail, { status });
  }

  async #ask(
    path: string,
    method = 'GET',
    json?: object,
    timeoutMs = this.#timeoutMs,
  ): Promise<{ status: number; body: Buffer }> {
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = AbortSignal.any([timeout, ...(this.#stopping ? [this.#stopping] : [])]);
    const sent = request({ socketPath: this.#socket, path, method, agent: false, signal });
    if (json !== undefined) sent.write(JSON.stringify(json));
    return this.#answerTo(sent, async (response) => ({
      status: response.statusCode ?? 0,
      body: await this.#bodyOf(response),
    }));
  }

  /** @throws AgentError `agent.unrecognised` for more than an agent has to say */
  async #bodyOf(response: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response) {
      bytes += chunk.byteLength;
      if (bytes > MAX_REPLY_BYTES) throw unrecognised(this.#socket);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  async #answerTo<Answer>(
    sent: ClientRequest,
    readAll: (response: IncomingMessage) => Promise<Answer>,
  ): Promise<Answer> {
    // What is wrong with a reply that has begun is told here, and of the reply only that it broke off.
    let fault: unknown;
    sent.on('error', (error) => (fault = error));
    sent.end();
    try {
      const response = await responseTo(sent);
      if (response === undefined) throw unrecognised(this.#socket);
      return await readAll(response);
    } catch (error) {
      if (error instanceof AgentError) throw error;
      const cause = fault ?? error;
      throw isNoHttp(cause) ? unrecognised(this.#socket, cause) : unreachable(this.#socket, cause);
    }
  }
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    // Not the parser's error: it quotes the text, which may be a value.
    return undefined;
  }
}

/** Node's parser refuses what is not HTTP with codes of its own. */
function isNoHttp(error: unknown): boolean {
  return Error.isError(error) && 'code' in error && String(error.code).startsWith('HPE_');
}

/** Of a request whose time was over, which has the code of one that was given up. */
function isLate(error: unknown): boolean {
  return Error.isError(error) && Error.isError(error.cause) && error.cause.name === 'TimeoutError';
}

function unrecognised(socket: string, cause?: unknown): AgentError {
  return new AgentError('agent.unrecognised', `what answers at ${socket} is no sallyport-agent`, {
    advice: 'name the agent’s socket with --socket or SALLYPORT_AGENT_SOCKET',
    cause,
  });
}

function unreachable(socket: string, cause: unknown): AgentError {
  if (codeOf(cause) === 'EACCES') {
    return new AgentError('agent.unreachable', `this user may not use the socket ${socket}`, {
      advice:
        'run as a user that it is for: socketMode says who that is, and for a further socket its mode, owner and group in localApi.sockets',
      cause,
    });
  }
  return new AgentError(
    'agent.unreachable',
    `no agent answers at ${socket} (${isLate(cause) ? 'no reply in time' : (codeOf(cause) ?? 'no reply')})`,
    {
      advice: 'start it with: sallyport-agent run, or name its socket with --socket',
      cause,
    },
  );
}
