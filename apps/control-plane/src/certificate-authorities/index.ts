export { certificateAuthoritiesRoutes } from './certificate-authorities.routes.ts';
