export { pluginsRoutes } from './plugins.routes.ts';
