import type { ServerResponse } from 'node:http';
import { MAX_LEASE_SECONDS, resourceName } from '@sallyport/contract';
import { z } from 'zod';
import { AgentError } from '../agent-error.ts';
import type { Act, RepeatedActs } from '../events/repeated-acts.ts';
import { notFound } from '../leases/lease-errors.ts';
import type { Lease, Leases, Lent } from '../leases/leases.ts';
import { applicationAt } from './application-at.ts';
import { jsonAround } from './json-bytes.ts';
import type { Rights } from './rights.ts';
import { notAllowed, secrets, type Exchange } from './values.ts';

const MAX_BODY_BYTES = 4 * 1024;
const RANGE = `use a whole number of seconds, from 1 to ${MAX_LEASE_SECONDS}`;
const seconds = z.int(RANGE).min(1, RANGE).max(MAX_LEASE_SECONDS, RANGE).optional();
export const takeBody = z.strictObject({ secret: resourceName, ttlSeconds: seconds });
export const renewBody = z.strictObject({ ttlSeconds: seconds });

/** Who asks for leases: the place where, by its name, and what may be read there. */
export type Borrower = { leases: Leases; acts: RepeatedActs; rights: Rights; place: string };

const LEASES = '/v1/leases';

/** Whether a path is about leases. */
export function isAboutLeases(url: string): boolean {
  return url === LEASES || url.startsWith(`${LEASES}/`);
}

/**
 * `POST /v1/leases`, `GET` and `DELETE /v1/leases/{id}`, `POST /v1/leases/{id}/renew`. Resolves with what releases a
 * value's plaintext, undefined where none was sent.
 *
 * @throws AgentError `request.*`, `secret.*`, `lease.*`
 */
export async function answerLease(
  borrower: Borrower,
  url: string,
  exchange: Exchange,
): Promise<(() => void) | undefined> {
  const { request, response, requestId } = exchange;
  const { method = '' } = request;
  // Read in either case (RFC 9562, section 4).
  const [, given = '', act] = /^\/v1\/leases\/([0-9a-f-]{36})(\/renew)?$/i.exec(url) ?? [];
  const id = given.toLowerCase();
  if (url === LEASES) {
    allowOnly(['POST'], method, response);
    const taken = await take(borrower, exchange);
    borrower.acts.record(readOf(taken.lease), requestId);
    return sendTaken(borrower, taken, exchange);
  }
  if (id === '') throw nowhere();
  if (act !== undefined) {
    allowOnly(['POST'], method, response);
    const { ttlSeconds } = await bodyOf(exchange, renewBody);
    ownLease(borrower, id);
    sendLease(await borrower.leases.renew(id, { ttlSeconds, requestId }), exchange);
    return undefined;
  }
  allowOnly(['GET', 'DELETE'], method, response);
  ownLease(borrower, id);
  if (method === 'GET') {
    const lent = borrower.leases.read(id);
    borrower.acts.note(readOf(lent.lease), exchange.named);
    return sendLent(lent, { ...exchange, status: 200 });
  }
  borrower.leases.giveBack(id);
  response.writeHead(204, { 'x-request-id': exchange.requestId }).end();
  return undefined;
}

async function take({ leases, rights, place }: Borrower, exchange: Exchange): Promise<Lent> {
  const asked = await bodyOf(exchange, takeBody);
  // Before it is asked for: a refusal does not tell whether the secret is there.
  if (!rights.allows('secret', asked.secret)) throw notAllowed(secrets);
  return leases.take({
    ...asked,
    application: applicationAt(place, exchange.peer),
    requestId: exchange.requestId,
  });
}

/** A lease is for whoever it was taken by: asked for elsewhere, it is as one that is not there. */
function ownLease({ leases, rights, place }: Borrower, id: string): void {
  const { secret, application } = leases.find(id);
  if (application.listener !== place || !rights.allows('secret', secret)) throw notFound();
}

function readOf({ id, application, version }: Lease): Act {
  const subject = `lease:${id}`;
  return { action: 'lease:read', subject, outcome: 'done', application, code: null, version };
}

/** Whoever asked may be gone, and nobody knows the lease then. */
function sendTaken(
  { leases }: Borrower,
  taken: Lent,
  exchange: Exchange,
): (() => void) | undefined {
  if (!exchange.response.closed) return sendLent(taken, { ...exchange, status: 201 });
  taken.value.fill(0);
  if (taken.lease.usesLeft !== 0) leases.giveBack(taken.lease.id);
  return undefined;
}

function sendLent(
  { lease, value }: Lent,
  { response, requestId, status }: Exchange & { status: number },
): () => void {
  const about = JSON.stringify(shown(lease));
  const body = jsonAround(`${about.slice(0, -1)},"value":"`, value, '"}');
  value.fill(0);
  response.writeHead(status, headersOf(body, requestId)).end(body);
  return () => body.fill(0);
}

function sendLease(lease: Lease, { response, requestId }: Exchange): void {
  const body = Buffer.from(JSON.stringify(shown(lease)));
  response.writeHead(200, headersOf(body, requestId)).end(body);
}

function shown({ id, secret, version, expiresAt, lastsUntil, usesLeft }: Lease) {
  return { id, secret, version, expiresAt, lastsUntil, usesLeft };
}

function headersOf(body: Buffer, requestId: string) {
  return {
    'content-type': 'application/json',
    'content-length': body.byteLength,
    'cache-control': 'no-store',
    'x-request-id': requestId,
  };
}

function allowOnly(methods: string[], method: string, response: ServerResponse): void {
  if (methods.includes(method)) return;
  const allowed = methods.join(', ');
  response.setHeader('allow', allowed);
  throw new AgentError('request.method_not_allowed', 'this path is not for that', {
    advice: `use ${allowed}`,
  });
}

/** A JSON body, of which nothing is repeated: somebody may have put a value there. */
async function bodyOf<Output>(
  { request, response }: Exchange,
  schema: z.ZodType<Output>,
): Promise<Output> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += Buffer.from(chunk).byteLength;
    if (length > MAX_BODY_BYTES) {
      response.setHeader('connection', 'close');
      throw invalid(`is longer than ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(Buffer.from(chunk));
  }
  const given = schema.safeParse(jsonIn(Buffer.concat(chunks)));
  if (given.success) return given.data;
  const told = given.error.issues.map(({ code, path, message }) =>
    code === 'unrecognized_keys'
      ? 'it has a field that is not known here'
      : `${path.join('.')}: ${message}`,
  );
  throw invalid(`does not fit: ${told.join('; ')}`);
}

function jsonIn(bytes: Buffer): unknown {
  if (bytes.byteLength === 0) return {};
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw invalid('is not JSON');
  }
}

function invalid(what: string): AgentError {
  return new AgentError('request.invalid', `the request’s body ${what}`);
}

function nowhere(): AgentError {
  return new AgentError('request.not_found', 'there is nothing at this path', {
    advice: 'see /openapi.json for what there is',
  });
}
