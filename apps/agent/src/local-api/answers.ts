import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AgentError, faultOf, framesOf } from '../agent-error.ts';
import type { RepeatedActs } from '../events/repeated-acts.ts';
import type { Peer } from '../host/libc.ts';
import { logDefect } from '../log-defect.ts';
import { peerFields, type Log } from '../log.ts';
import { applicationAt } from './application-at.ts';
import { describeHealth, healthFor, type HealthParts } from './health.ts';
import { answerLease, isAboutLeases } from './leases.ts';
import { sendProblem } from './problem-reply.ts';
import type { RequestCounts } from './request-counts.ts';
import { referenceAsked, sendResolved } from './resolved-values.ts';
import type { Rights } from './rights.ts';
import { readSecretQuery } from './secret-query.ts';
import type { SharedBodies } from './shared-bodies.ts';
import type { UnreadReplies } from './unread-replies.ts';
import {
  certificates,
  certificatesInPem,
  configs,
  refuseWhenRevoked,
  secrets,
  sendList,
  sendValue,
  type Asked,
  type Exchange,
} from './values.ts';
import type { WatchHub } from './watch.ts';

export type AnswerParts = {
  health: HealthParts;
  watch: WatchHub;
  requests: RequestCounts;
  bodies: SharedBodies;
  acts: RepeatedActs;
  log: Log;
};

/** What a listener lets in, what whoever is let in may read, and how much of it at a time. */
export type Access = {
  rights: Rights;
  unread: UnreadReplies;
  maxWatchers: number;
  /** What the place is called in logs and audit events: its path, or its address. */
  place: string;
  /** Throws an AgentError for a request that is not let in. Absent: the permissions of the socket’s file decide. */
  admit?: ((request: IncomingMessage, peer: Peer | undefined) => void) | undefined;
};

/** Answers one request of a program, be it with a refusal. Returns what is to be called once the reply is gone. */
export function answer(
  parts: AnswerParts,
  access: Access,
  given: Omit<Exchange, 'requestId' | 'named'>,
): () => void {
  const { request, response, peer } = given;
  const named = namedIdOf(request);
  const requestId = named ?? randomUUID();
  const exchange = { ...given, requestId, named };
  let release: (() => void) | undefined;
  try {
    admit(access, exchange);
    release = route(parts, access, exchange);
  } catch (error) {
    refuse(parts, access, exchange, error);
  }
  return () => {
    const { statusCode: status } = response;
    parts.requests.add(request.url, status);
    parts.log.debug({ requestId, status, ...peerFields(peer) }, 'answered');
    release?.();
  };
}

/** A program that asks for what it may not have is recorded, without what it asked for: that may be any text. */
const RECORDED =
  /^(?:request\.(?:not_allowed|unauthenticated|client_refused|user_refused|forwarded|foreign_host)|lease\.outside_window)$/;

function refuse(
  { log, acts }: AnswerParts,
  { place }: Access,
  { response, requestId, named, peer }: Exchange,
  error: unknown,
): void {
  const fault = faultOf(error);
  if (RECORDED.test(fault.code)) {
    const what = { action: 'value:refuse', subject: 'request', outcome: 'refused' } as const;
    const application = applicationAt(place, peer);
    acts.note({ ...what, application, code: fault.code, version: null }, named);
  }
  if (fault.code === 'agent.internal') {
    const stack = framesOf(fault);
    log.error({ code: fault.code, requestId, stack, ...peerFields(peer) }, fault.message);
  }
  sendProblem(response, fault, requestId);
}

/** A program that is not let in does not keep its connection for another try. */
function admit(access: Access, { request, response, peer }: Exchange): void {
  try {
    access.admit?.(request, peer);
  } catch (error) {
    response.setHeader('connection', 'close');
    throw error;
  }
}

/** Returns what releases a value's plaintext, to be called once the reply is gone. */
function route(parts: AnswerParts, access: Access, exchange: Exchange): (() => void) | undefined {
  const { request } = exchange;
  const [url, query] = splitQuery(request.url ?? '');
  if (isAboutLeases(url)) {
    refuseWhenRevoked(parts.health.agent);
    refuseWhenFull(access);
    const borrower = { leases: parts.health.agent.leases, acts: parts.acts, ...access };
    const sent = answerLease(borrower, request.url ?? '', exchange);
    return onceSent(sent, { ...exchange, parts, access });
  }
  if (request.method !== 'GET')
    throw new AgentError('request.method_not_allowed', 'this path is only read', {
      advice: 'use GET',
    });
  if (query !== undefined && !url.startsWith('/v1/secrets/'))
    throw new AgentError('request.invalid', 'the path takes no query');
  const asked = valueAsked(url, query, request);
  if (asked === undefined) {
    answerOther(parts, access, exchange, url);
    return undefined;
  }
  refuseWhenFull(access);
  const { bodies, acts, health } = parts;
  const reader = { agent: health.agent, bodies, acts, ...access };
  const reference = referenceAsked(reader, asked);
  if (reference === undefined) return sendValue(reader, asked, exchange);
  const sent = sendResolved(reader, reference, asked, exchange);
  return onceSent(sent, { ...exchange, parts, access });
}

/** For a reply that takes a moment: its plaintext is released once it is made and its reader is done. */
function onceSent(
  sent: Promise<(() => void) | undefined>,
  { parts, access, ...exchange }: Exchange & { parts: AnswerParts; access: Access },
): () => void {
  const { request, response } = exchange;
  const done = sent
    .catch((error: unknown) => {
      // Who has hung up meanwhile is told nothing.
      if (!response.destroyed) refuse(parts, access, exchange, error);
      return undefined;
    })
    .then((release) => {
      access.unread.await(response, request.socket);
      return release;
    });
  return () => void done.then((release) => release?.());
}

/** Everything but values, which write all headers at once: that costs half of setting one after the other. */
function answerOther(parts: AnswerParts, access: Access, exchange: Exchange, url: string): void {
  const { request, response, requestId } = exchange;
  const { health, watch } = parts;
  const { rights } = access;
  response.setHeader('x-request-id', requestId);
  if (url === '/healthz') return sendHealth(health, rights, response);
  const asked = { ...exchange, parts, access };
  if (url === '/metrics') return later(sendMetrics(parts, response), asked);
  if (url === '/openapi.json') return later(sendDocument(response), asked);
  refuseWhenFull(access);
  const reader = { agent: health.agent, rights };
  if (url === '/v1/secrets') return sendList(reader, secrets, response);
  if (url === '/v1/config') return sendList(reader, configs, response);
  if (url === '/v1/certificates') return sendList(reader, certificates, response);
  if (url === '/v1/watch') return watch.add(request, response, access);
  throw new AgentError('request.not_found', 'there is nothing at this path', {
    advice: 'see /openapi.json for what there is',
  });
}

function refuseWhenFull({ unread }: Access): void {
  if (!unread.areFull) return;
  throw new AgentError('agent.busy', 'too many replies wait for programs that do not read them', {
    advice: 'try again in a few seconds',
  });
}

function splitQuery(url: string): [path: string, query: string | undefined] {
  const at = url.indexOf('?');
  return at < 0 ? [url, undefined] : [url.slice(0, at), url.slice(at + 1)];
}

function valueAsked(
  url: string,
  query: string | undefined,
  request: IncomingMessage,
): Asked | undefined {
  if (url.startsWith('/v1/secrets/')) {
    const name = nameIn(url, '/v1/secrets/');
    return { collection: secrets, name, query: query === undefined ? {} : readSecretQuery(query) };
  }
  if (url.startsWith('/v1/config/'))
    return { collection: configs, name: nameIn(url, '/v1/config/') };
  if (url.startsWith('/v1/certificates/')) {
    const collection = asksForPem(request) ? certificatesInPem : certificates;
    return { collection, name: nameIn(url, '/v1/certificates/') };
  }
  return undefined;
}

function sendHealth(parts: HealthParts, rights: Rights, response: ServerResponse): void {
  const health = healthFor(describeHealth(parts), parts, rights);
  const serves = health.status === 'ready' || health.status === 'stale';
  const body = Buffer.from(JSON.stringify(health));
  const headers = {
    'content-type': 'application/json',
    'content-length': body.byteLength,
    'cache-control': 'no-store',
  };
  response.writeHead(serves ? 200 : 503, headers).end(body);
}

/** A reply that takes a moment, and ends without one where that fails. */
function later(
  sent: Promise<void>,
  { parts, access, request, response }: Exchange & { parts: AnswerParts; access: Access },
): void {
  sent.then(
    () => access.unread.await(response, request.socket),
    (error: unknown) => {
      logDefect(parts.log, error);
      response.destroy();
    },
  );
}

/** Loaded when asked for: most agents never are, and start sooner. */
async function sendMetrics({ health, requests }: AnswerParts, response: ServerResponse) {
  const { renderMetrics } = await import('./metrics.ts');
  const body = await renderMetrics(describeHealth(health), requests);
  sendText(response, 'text/plain; version=0.0.4; charset=utf-8', body);
}

async function sendDocument(response: ServerResponse): Promise<void> {
  const { localApiDocument } = await import('./openapi.ts');
  sendText(response, 'application/json', JSON.stringify(localApiDocument()));
}

function sendText(response: ServerResponse, contentType: string, text: string): void {
  const body = Buffer.from(text);
  const headers = { 'content-type': contentType, 'content-length': body.byteLength };
  response.writeHead(200, { ...headers, 'cache-control': 'no-store' }).end(body);
}

function asksForPem({ headers }: IncomingMessage): boolean {
  return /(^|[\s,])application\/x-pem-file\b/i.test(headers.accept ?? '');
}

/** A name's slashes may come raw or as %2F. */
function nameIn(url: string, prefix: string): string {
  const name = url.slice(prefix.length);
  if (!name.includes('%')) return name;
  try {
    return decodeURIComponent(name);
  } catch (error) {
    throw new AgentError('request.invalid', 'the path is not valid percent-encoding', {
      cause: error,
    });
  }
}

/** What the program calls its request. */
function namedIdOf({ headers }: IncomingMessage): string | undefined {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : undefined;
}
