export { agentEntryRoutes } from './agent-api.routes.ts';
export { agentsRoutes, enrollmentTokensRoutes } from './agents.routes.ts';
export { authorizedAgent } from './agents.service.ts';
export { deleteExpiredAssertions, markLost } from './agents.store.ts';
export { AgentAuthenticator } from './authenticate-agent.ts';
export { checkProtocol } from './check-protocol.ts';
export { deleteEndedTokens } from './enrollment-tokens.store.ts';
export { agentRevoked } from './open-agent-session.ts';
export { Revocations } from './revocations.ts';
