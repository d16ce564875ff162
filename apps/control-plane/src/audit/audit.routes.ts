import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import {
  auditCheckpoint,
  auditEntry,
  auditExportQuery,
  auditQuery,
  auditVerification,
  auditVerifierKeys,
  page,
  pageQuery,
  uuid,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import { BoundedPool } from '../platform/bounded-pool.ts';
import type { Platform } from '../platform/platform.ts';
import { verifierKeys, type AuditKeys } from './audit-keys.ts';
import { createCheckpoint, listAllCheckpoints } from './checkpoints.ts';
import { exportAudit } from './export-chain.ts';
import { listAudit } from './list-events.ts';
import { auditBusy } from './record-act.ts';
import { verifyAudit } from './verify-chain.ts';

const tags = ['audit'];
const JSON_LINES = 'application/x-ndjson';
/** Those that read the whole chain: they must not take every connection. */
const READERS = { concurrency: 2, queued: 4, refusal: auditBusy };
/** A list with a filter that no index knows reads much of it too. */
const LISTS = { concurrency: 2, queued: 32, patienceMs: 5_000, refusal: auditBusy };
/** Nobody holds one of them for longer by reading slowly. */
const LONGEST_READ_MS = 60 * 60_000;

/** `/api/v1/audit`. */
export function auditRoutes(platform: Platform, keys: AuditKeys): FastifyPluginAsyncZod {
  const readers = new BoundedPool(READERS);
  const lists = new BoundedPool(LISTS);
  return async (app) => {
    app.get(
      '/audit',
      {
        config: { permission: 'audit:read' },
        schema: {
          tags,
          operationId: 'listAuditEvents',
          summary: 'List audit events along the chain',
          description:
            'Filters are compared as a whole, and each that is given must hold. Whoever may read the audit of one group sees the events of that group. `audit.busy` (503) while too many lists are read.',
          querystring: auditQuery,
          response: { 200: page(auditEntry), ...problemResponses },
        },
      },
      async (request) => lists.run(() => listAudit(platform, operationOf(request), request.query)),
    );

    app.post(
      '/audit/checkpoints',
      {
        config: { permission: 'audit:checkpoint' },
        schema: {
          tags,
          operationId: 'createAuditCheckpoint',
          summary: 'Sign the head of the audit chain now',
          description:
            'Without asking, one is made every minute in which something happened. Keep some elsewhere: only they reveal a chain that was cut off or written anew. The same head is signed once; that it was asked for is the first event after it. `audit.nothing_to_sign` (409) while the chain is empty.',
          response: { 201: auditCheckpoint, ...problemResponses },
        },
      },
      async (request, reply) =>
        reply.code(201).send(await createCheckpoint(platform, keys, operationOf(request))),
    );

    app.get(
      '/audit/checkpoints',
      {
        config: { permission: 'audit:read' },
        schema: {
          tags,
          operationId: 'listAuditCheckpoints',
          summary: 'List the signed heads of the chain, newest first',
          description: 'They stay when retention drops the events before them.',
          querystring: pageQuery(uuid),
          response: { 200: page(auditCheckpoint), ...problemResponses },
        },
      },
      async (request) => listAllCheckpoints(platform, operationOf(request), request.query),
    );

    app.get(
      '/audit/verifier-key',
      {
        config: { permission: 'audit:read' },
        schema: {
          tags,
          operationId: 'getAuditVerifierKeys',
          summary: 'Show the public keys that checkpoints are verified with',
          description: 'Keep them elsewhere, beside checkpoints, for `sallyport audit verify`.',
          response: { 200: auditVerifierKeys, ...problemResponses },
        },
      },
      async (request) => {
        operationOf(request).groupsWith('audit:read');
        return verifierKeys(keys);
      },
    );

    app.get(
      '/audit/verify',
      {
        config: { permission: 'audit:verify' },
        schema: {
          tags,
          operationId: 'verifyAudit',
          summary: 'Verify the whole chain that is kept, with its checkpoints',
          description:
            'A chain that is broken is no refusal: the reply tells where. To read all of it may take minutes; two requests at a time do, exports among them (`audit.busy`, 503).',
          response: { 200: auditVerification, ...problemResponses },
        },
      },
      async (request) => {
        // There is nothing to send until all is read: 2.5 million links would take longer than a connection may be silent.
        if (request.raw.socket instanceof Socket) request.raw.socket.setTimeout(LONGEST_READ_MS);
        return readers.run(() => verifyAudit(platform, keys, operationOf(request)));
      },
    );

    app.get(
      '/audit/export',
      {
        config: { permission: 'audit:export' },
        schema: {
          tags,
          operationId: 'exportAudit',
          summary: 'Export the chain as JSON Lines, which verify by themselves',
          description:
            'The first line has `base`, what the chain goes on from, and each further one a position, its hash and the event (`docs/audit.md`). It is audited before the first line. An export that retention overtakes, or whose caller loses the right to it, is broken off. `request.invalid` (400) for positions beyond the chain; `audit.broken` (409); `audit.busy` (503).',
          querystring: auditExportQuery,
          response: {
            200: { content: { [JSON_LINES]: { schema: z.any() } } },
            ...problemResponses,
          },
        },
      },
      async (request, reply) => {
        const { promise: opened, resolve, reject } = Promise.withResolvers<Readable>();
        const read = async () => {
          const lines = await exportAudit(platform, keys, operationOf(request), request.query);
          const signal = AbortSignal.timeout(LONGEST_READ_MS);
          const stream = Readable.from(lines, { signal, objectMode: false });
          resolve(stream);
          // How it ends is the reply's business; here it is only that it has.
          await finished(stream).catch(() => {});
        };
        readers.run(read).catch(reject);
        return reply.type(JSON_LINES).send(await opened);
      },
    );
  };
}
