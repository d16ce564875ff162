import type { AccessClaims } from '@sallyport/crypto/access-token';
import type { FastifyRequest } from 'fastify';
import { Operation, type Permission, type Principal } from '../authorization/index.ts';
import { OperatorSession } from '../operators/index.ts';
import { AppError } from '../platform/app-error.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route asks of its caller. `public`: nothing; `agent`: an agent's session. */
    permission?: Permission | 'public' | 'agent';
    /** Open to an agent that recovers, whose session is for a new certificate alone. */
    recovery?: true;
  }
  interface FastifyRequest {
    /** The act of whoever showed a session token or an API key. */
    operation: Operation | null;
    /** When that was shown, in milliseconds of the platform’s clock. */
    shownAtMs: number;
    agentClaims: AccessClaims | null;
  }
}

const ANONYMOUS = { kind: 'anonymous', name: 'anonymous' } as const;

function actorOf({ agentId, agentName = agentId }: AccessClaims) {
  return { kind: 'agent', id: agentId, name: agentName } as const;
}

/** The act of whoever calls, signed in or not. */
export function operationOf(request: FastifyRequest): Operation {
  if (request.operation !== null) return request.operation;
  const { agentClaims } = request;
  const actor = agentClaims === null ? ANONYMOUS : actorOf(agentClaims);
  return new Operation(actor, request.id, request.ip);
}

/** The act of a signed-in operator. @throws AppError `session.required` */
export function sessionOf(request: FastifyRequest): OperatorSession {
  if (request.operation instanceof OperatorSession) return request.operation;
  throw new AppError(
    'session.required',
    'This is for operators who signed in; an API key has no session.',
  );
}

/** Who calls with a credential of its own. @throws AppError `session.required` */
export function principalOf({ actor }: Operation): Principal {
  if (!('grants' in actor)) throw new AppError('session.required', 'Sign in first.');
  return actor;
}

/** Who the calling agent is. @throws AppError `access_token.required` */
export function agentOf(request: FastifyRequest): AccessClaims {
  if (request.agentClaims === null)
    throw new AppError('access_token.required', 'Open a session first: POST /agent/v1/session.');
  return request.agentClaims;
}
