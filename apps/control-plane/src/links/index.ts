export { DialCredentials } from './dial-credentials.ts';
export { DialledSockets } from './dialled-sockets.ts';
export { LinkDialer } from './link-dialer.ts';
export { linksRoutes } from './links.routes.ts';
