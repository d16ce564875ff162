export { existingGroup } from './groups.service.ts';
export { advanceGroup, type GroupRow } from './groups.store.ts';
export { groupsRoutes } from './groups.routes.ts';
