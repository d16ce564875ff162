export { secretValueField } from './secret-field.ts';
export { lendingRoutes } from './lending.routes.ts';
export { secretsRoutes } from './secrets.routes.ts';
