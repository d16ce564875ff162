export { createFirstOwner, type FirstOwner } from './first-owner.ts';
export { deleteFailuresBefore } from './lockout.store.ts';
export { deleteExpiredSessions } from './operators.store.ts';
export { selfRoutes, sessionsRoutes } from './operators.routes.ts';
export { SessionAuthenticator, type OperatorSession } from './sessions.ts';
