export { findBreaks } from './find-breaks.ts';
export { pluginsRoutes } from './plugins.routes.ts';
export { offlineOf } from './plugins.service.ts';
export { openFields, zero } from './sealed-fields.ts';
