export { agentEventsRoutes } from './agent-events.routes.ts';
