import { MAX_LEASES } from '@sallyport/contract';
import type { onRouteHookHandler } from 'fastify';
import { AppError } from '../platform/app-error.ts';
import { Turns } from '../platform/turns.ts';
import { agentOf } from './request-operation.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `false` where requests that come together share a connection to the database, or wait without one. */
    inTurn?: false;
  }
}

const PER_AGENT = {
  concurrency: 1,
  queued: MAX_LEASES,
  refusal: () =>
    new AppError('rate.limited', 'Too many requests of this agent wait; try again shortly.', {
      retryAfterSeconds: 2,
    }),
};

/**
 * Answers an agent's requests to a route in turn: they change the same rows, and sent all at once they would wait for
 * each other with every connection to the database.
 */
export function answerInTurn(): onRouteHookHandler {
  const turns = new Turns(PER_AGENT);
  return (route) => {
    const { handler, url, config } = route;
    if (config?.permission !== 'agent' || config.inTurn === false) return;
    route.handler = function inTurn(request, reply) {
      const { agentId } = agentOf(request);
      return turns.take(`${agentId} ${url}`, async () => handler.call(this, request, reply));
    };
  };
}
