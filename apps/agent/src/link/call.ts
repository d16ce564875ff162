import { randomUUID } from 'node:crypto';
import { problem } from '@sallyport/contract';
import { LinkError, type HttpsLink, type LinkReply } from '@sallyport/tls/https-link';
import { AgentError } from '../agent-error.ts';
import { adviceFor, mayPass } from './refusals.ts';
import { offsetInWords, type ServerClock } from './server-clock.ts';

/** What the agent needs of its connection to the control plane. */
export type Link = Pick<HttpsLink, 'request' | 'tlsParameters' | 'close'>;

export type Call = {
  method: 'GET' | 'POST';
  path: string;
  json?: unknown;
  headers?: Record<string, string>;
  timeoutMs?: number;
  idempotent?: boolean;
  signal?: AbortSignal | undefined;
};

/** A longer Retry-After is not believed: no mistake on the way may keep an agent away for days. */
const MOST_RETRY_AFTER_SECONDS = 300;

/**
 * One request to the control plane. Every reply also sets the server clock.
 *
 * @throws AgentError for every reply that is not a success, with the code of its problem document, and
 * for every failure of the link, with the code of its `LinkError`
 */
export async function call(
  link: Pick<Link, 'request'>,
  serverClock: ServerClock,
  { method, path, ...request }: Call,
): Promise<LinkReply> {
  const headers = { 'x-request-id': randomUUID(), ...request.headers };
  const reply = await link
    .request(method, path, { ...request, headers })
    .catch((error: unknown) => {
      throw error instanceof LinkError ? fromLink(error) : error;
    });
  serverClock.observe(reply.headers.date, reply.bodyMs);
  if (reply.status >= 200 && reply.status < 300) return reply;
  throw refusal(reply, serverClock.offsetMs());
}

/** Reads a reply's JSON body by the contract. Throws AgentError `reply.unexpected`. */
export function parseReply<Output>(schema: { parse(data: unknown): Output }, body: Buffer): Output {
  return errorFromReply(() => schema.parse(JSON.parse(body.toString('utf8'))));
}

/** Reads what came in a reply. Throws AgentError `reply.unexpected` for whatever `read` throws. */
export function errorFromReply<Output>(read: () => Output): Output {
  try {
    return read();
  } catch (error) {
    throw new AgentError(
      'reply.unexpected',
      'the control plane’s reply is not of a protocol this agent speaks',
      {
        advice: 'check that agent and control plane are of compatible versions',
        retryable: true,
        cause: error,
      },
    );
  }
}

function fromLink(error: LinkError): AgentError {
  const { code, message, retryable } = error;
  return new AgentError(code, message, { retryable, advice: adviceFor(code), cause: error });
}

function refusal({ status, headers, body }: LinkReply, offsetMs: number | undefined): AgentError {
  const document = problemOf(body);
  const code = document?.code ?? 'reply.unexpected';
  const why =
    document?.detail ?? `the control plane’s address answered ${status} without saying why`;
  const measured =
    code === 'clock.skewed' && offsetMs !== undefined
      ? ` This host’s clock is ${offsetInWords(offsetMs)}.`
      : '';
  return new AgentError(code, why + measured, {
    status,
    retryable: mayPass(code, status),
    retryAfterMs: retryAfterMs(headers['retry-after']),
    advice: adviceFor(code),
  });
}

/** Retry-After in its form of seconds (RFC 9110, section 10.2.3); undefined for anything else. */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d+$/.test(header)) return undefined;
  return Math.min(Number(header), MOST_RETRY_AFTER_SECONDS) * 1000;
}

function problemOf(body: Buffer) {
  try {
    return problem.parse(JSON.parse(body.toString('utf8')));
  } catch {
    return undefined;
  }
}
