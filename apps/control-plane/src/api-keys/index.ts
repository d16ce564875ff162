export { apiKeysRoutes } from './api-keys.routes.ts';
export type { ApiKeyPolicy } from './api-keys.service.ts';
export { ApiKeyAuthenticator } from './authenticate-api-key.ts';
export { warnOfExpiry } from './warn-of-expiry.ts';
