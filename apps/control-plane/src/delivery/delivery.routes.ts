import { bundle, pullBody } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { agentOf } from '../http/request-operation.ts';
import { AppError } from '../platform/app-error.ts';
import { findBundle } from './delivery.store.ts';
import { pull, type PullDeps } from './pull.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
/** A revision as a path says it: digits only, so that each has one address, and no more than its column holds. */
const revisionParam = z
  .string()
  .regex(/^[1-9]\d{0,9}$/, 'use a whole number from 1')
  .transform(Number)
  .pipe(z.int32());

/** `/agent/v1/pull` and `/agent/v1/revisions/:revision/bundle`. */
export function deliveryRoutes(deps: PullDeps): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/pull',
      { config: { permission: 'agent', inTurn: false }, schema: { body: pullBody } },
      async (request, reply) => {
        const gone = new AbortController();
        const leave = () => gone.abort();
        request.raw.socket.once('close', leave);
        try {
          const answer = await pull(deps, agentOf(request), request.body, gone.signal);
          // Bytes, not an object: the reply is the same for the whole group and was serialised once.
          return answer === undefined
            ? await reply.code(204).send()
            : await reply.type(JSON_TYPE).send(answer);
        } finally {
          request.raw.socket.off('close', leave);
        }
      },
    );

    app.get(
      '/revisions/:revision/bundle',
      {
        config: { permission: 'agent' },
        schema: {
          params: z.object({ revision: revisionParam }),
          response: { 200: bundle, 304: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        const { groupId } = agentOf(request);
        const { revision } = request.params;
        const etag = `"${groupId}/${revision}"`;
        if (request.headers['if-none-match'] === etag) return reply.code(304).send(null);
        const found = await deps.platform.db.read((reader) =>
          findBundle(reader, groupId, revision),
        );
        if (found === undefined)
          throw new AppError(
            'bundle.not_found',
            'This revision’s bundle is no longer kept; pull again for the current one.',
          );
        const { durable, live } = found;
        reply.header('etag', etag).header('cache-control', 'private, immutable');
        return { durable, ...(live === null ? {} : { live }) };
      },
    );
  };
}
