import type { AccessClaims } from '@sallyport/crypto/access-token';
import type { FastifyRequest } from 'fastify';
import { Operation, type Permission } from '../authorization/index.ts';
import type { OperatorSession } from '../operators/index.ts';
import { AppError } from '../platform/app-error.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route asks of its caller. `public`: nothing; `agent`: an agent's session. */
    permission?: Permission | 'public' | 'agent';
  }
  interface FastifyRequest {
    operatorSession: OperatorSession | null;
    agentClaims: AccessClaims | null;
  }
}

/** The act of whoever calls, signed in or not. */
export function operationOf(request: FastifyRequest): Operation {
  if (request.operatorSession !== null) return request.operatorSession;
  const { agentClaims } = request;
  const actor =
    agentClaims === null
      ? ({ kind: 'anonymous', name: 'anonymous' } as const)
      : ({ kind: 'agent', id: agentClaims.agentId, name: agentClaims.agentId } as const);
  return new Operation(actor, request.id, request.ip);
}

/** The act of a signed-in operator. @throws AppError `session.required` */
export function sessionOf(request: FastifyRequest): OperatorSession {
  if (request.operatorSession === null) throw new AppError('session.required', 'Sign in first.');
  return request.operatorSession;
}

/** Who the calling agent is. @throws AppError `access_token.required` */
export function agentOf(request: FastifyRequest): AccessClaims {
  if (request.agentClaims === null)
    throw new AppError('access_token.required', 'Open a session first: POST /agent/v1/session.');
  return request.agentClaims;
}
