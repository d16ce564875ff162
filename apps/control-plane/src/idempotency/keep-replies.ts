import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { holdsAll, type Principal } from '../authorization/index.ts';
import { operationOf, principalOf } from '../http/request-operation.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import {
  beginAttempt,
  claimAct,
  digestOf,
  endAttempt,
  keepReply,
  type Attempt,
  type KeptReply,
} from './idempotency.service.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `false` where repeating does no harm, and a reply should not be kept. */
    keepReply?: boolean;
  }
  interface FastifyRequest {
    /** The attempt that a request with an Idempotency-Key leads. */
    attempt: Attempt | null;
  }
}

/** Printable ASCII, as in the draft's examples, with or without the quotes of a structured field. */
const KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * Honours Idempotency-Key on POST (draft-ietf-httpapi-idempotency-key-header): the same caller, key and
 * request are given the same reply. Refusals are not kept, since nothing was done.
 */
export function keepReplies(api: FastifyInstance, platform: Platform): void {
  api.decorateRequest('attempt', null);
  // After the body was checked, so that what is not valid takes no key.
  api.addHook('preHandler', async (request, reply) => {
    const key = keyOf(request);
    if (key === undefined) return undefined;
    const op = operationOf(request);
    const principal = principalOf(op);
    const { method, url, body } = request;
    const digest = digestOf(method, url, JSON.stringify(body) ?? '');
    const begun = await beginAttempt(platform, { principalId: principal.id, key, digest });
    if ('reply' in begun) {
      // As it is by now: this may have waited for the database.
      refuseLostRights(request, principalOf((await op.renew?.()) ?? op), begun.reply);
      return replay(reply, begun.reply);
    }
    const { attempt } = begun;
    request.attempt = attempt;
    const { onAct } = op;
    const claiming = async (tx: Db) => {
      await onAct?.(tx);
      await claimAct(tx, attempt);
    };
    op.onAct = claiming;
    return undefined;
  });
  api.addHook('onSend', async (request, reply, payload) => {
    const { attempt } = request;
    if (attempt === null) return;
    try {
      if (reply.statusCode >= 300) await endAttempt(platform, attempt);
      else await keepReply(platform, attempt, replyAsText(request, reply, payload));
    } catch (error) {
      // What was asked for is done and answered; whoever asks again is told that the reply was lost.
      request.log.warn({ err: error }, 'the reply to an Idempotency-Key could not be kept');
    }
  });
}

/** @throws AppError `request.invalid` */
function keyOf({ method, headers, routeOptions }: FastifyRequest): string | undefined {
  const { permission, keepReply: kept } = routeOptions.config;
  const key = headers['idempotency-key'];
  if (key === undefined || method !== 'POST' || permission === 'public' || kept === false)
    return undefined;
  if (typeof key === 'string' && KEY.test(key)) return key;
  throw new AppError('request.invalid', 'Idempotency-Key is 1 to 255 printable characters.', {
    issues: [{ field: 'headers.idempotency-key', message: 'use 1 to 255 printable characters' }],
  });
}

/**
 * A reply may hold a credential: who has lost a role since is not given it again. What it was allowed by is
 * not known here, so that any role counts.
 *
 * @throws AppError `permission.denied`
 */
function refuseLostRights(
  { routeOptions }: FastifyRequest,
  { grants }: Principal,
  kept: KeptReply,
): void {
  if (holdsAll(grants, kept.grants)) return;
  throw new AppError(
    'permission.denied',
    'This was done, under a role that you have lost since: look at what there is now.',
  ).deniedAs({ permission: routeOptions.config.permission ?? 'unknown' });
}

function replyAsText(request: FastifyRequest, reply: FastifyReply, payload: unknown): KeptReply {
  const etag = reply.getHeader('etag');
  return {
    status: reply.statusCode,
    grants: principalOf(operationOf(request)).grants,
    ...(typeof etag === 'string' ? { etag } : {}),
    body: typeof payload === 'string' ? payload : '',
  };
}

function replay(reply: FastifyReply, { status, etag, body }: KeptReply): FastifyReply {
  reply.code(status).header('idempotency-replayed', 'true');
  if (etag !== undefined) reply.header('etag', etag);
  if (body === '') return reply.send();
  return reply.type('application/json; charset=utf-8').serializer(String).send(body);
}
