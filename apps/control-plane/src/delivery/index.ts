export { Acknowledgements } from './acknowledgements.ts';
export { buildBundle } from './build-bundle.ts';
export { deliveryRoutes } from './delivery.routes.ts';
export { exportRoutes } from './export.routes.ts';
export { readRevision } from './delivery.store.ts';
export { GroupFeed } from './group-feed.ts';
export { Hub } from './hub.ts';
export { checkCurrent, type PullDeps } from './pull.ts';
export { SafetyNet } from './safety-net.ts';
