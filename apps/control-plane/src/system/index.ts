export { systemRoutes, type SystemFacts } from './system.routes.ts';
