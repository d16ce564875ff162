export { secretValueField } from './secret-field.ts';
export { secretsRoutes } from './secrets.routes.ts';
