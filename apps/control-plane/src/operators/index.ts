export { createFirstOwner, type FirstOwner } from './first-owner.ts';
export { deleteFailuresBefore } from './lockout.store.ts';
export { operatorsRoutes } from './operators.routes.ts';
export { deleteExpiredSessions } from './operators.store.ts';
export { selfRoutes, sessionsRoutes } from './sessions.routes.ts';
export { OperatorSession, SessionAuthenticator } from './sessions.ts';
