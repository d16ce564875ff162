import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AgentError, framesOf, internalError } from '../agent-error.ts';
import type { Log } from '../log.ts';
import { describeHealth, type HealthParts } from './health.ts';
import { sendProblem } from './problem-reply.ts';
import type { Rights } from './rights.ts';
import type { UnreadReplies } from './unread-replies.ts';
import {
  certificates,
  certificatesInPem,
  configs,
  secrets,
  sendList,
  sendValue,
} from './values.ts';
import type { WatchHub } from './watch.ts';

export type AnswerParts = {
  health: HealthParts;
  watch: WatchHub;
  unread: UnreadReplies;
  log: Log;
};

/** What a listener lets in, and what whoever is let in may read. */
export type Access = {
  rights: Rights;
  /** Throws an AgentError for a request that is not let in. Absent: the file of the socket decides. */
  admit?: (request: IncomingMessage) => void;
};

/** Answers one request of a program, also one that is refused. */
export function answer(
  parts: AnswerParts,
  { rights, admit }: Access,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const requestId = requestIdOf(request);
  response.setHeader('x-request-id', requestId);
  try {
    admit?.(request);
    route(parts, rights, request, response);
  } catch (error) {
    const fault = error instanceof AgentError ? error : internalError(error);
    if (fault.code === 'agent.internal') {
      parts.log.error({ code: fault.code, requestId, stack: framesOf(fault) }, fault.message);
    }
    sendProblem(response, fault, requestId);
  }
}

function route(
  { health, watch, unread }: AnswerParts,
  rights: Rights,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const reader = { agent: health.agent, rights };
  const { method, url = '' } = request;
  if (method !== 'GET')
    throw new AgentError('request.method_not_allowed', 'the agent’s local API only reads', {
      advice: 'use GET',
    });
  if (url.includes('?')) throw new AgentError('request.invalid', 'the path takes no query');
  if (url === '/healthz') return sendHealth(health, response);
  if (unread.areFull)
    throw new AgentError('agent.busy', 'too many replies wait for programs that do not read them', {
      advice: 'try again in a few seconds',
    });
  if (url.startsWith('/v1/secrets/'))
    return sendValue(reader, secrets, nameIn(url, '/v1/secrets/'), request, response);
  if (url.startsWith('/v1/config/'))
    return sendValue(reader, configs, nameIn(url, '/v1/config/'), request, response);
  if (url.startsWith('/v1/certificates/')) {
    const form = asksForPem(request) ? certificatesInPem : certificates;
    return sendValue(reader, form, nameIn(url, '/v1/certificates/'), request, response);
  }
  if (url === '/v1/secrets') return sendList(reader, secrets, response);
  if (url === '/v1/config') return sendList(reader, configs, response);
  if (url === '/v1/certificates') return sendList(reader, certificates, response);
  if (url === '/v1/watch') return watch.add(response, rights);
  throw new AgentError('request.not_found', 'there is nothing at this path', {
    advice: 'see /v1/secrets, /v1/config, /v1/certificates, /v1/watch and /healthz',
  });
}

function sendHealth(parts: HealthParts, response: ServerResponse): void {
  const health = describeHealth(parts);
  const serves = health.status === 'ready' || health.status === 'stale';
  const body = Buffer.from(JSON.stringify(health));
  const headers = {
    'content-type': 'application/json',
    'content-length': body.byteLength,
    'cache-control': 'no-store',
  };
  response.writeHead(serves ? 200 : 503, headers).end(body);
}

function asksForPem({ headers }: IncomingMessage): boolean {
  return /(^|[\s,])application\/x-pem-file\b/i.test(headers.accept ?? '');
}

/** A name's slashes may come raw or as %2F. */
function nameIn(url: string, prefix: string): string {
  try {
    return decodeURIComponent(url.slice(prefix.length));
  } catch (error) {
    throw new AgentError('request.invalid', 'the path is not valid percent-encoding', {
      cause: error,
    });
  }
}

function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
}
