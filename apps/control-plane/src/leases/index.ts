export { isInWindow } from './in-window.ts';
export { heldLeasesRoutes, leasesRoutes } from './leases.routes.ts';
export { endLeases, leaseEnded, outsideWindow, termOf } from './leases.service.ts';
export {
  agentsOfEnded,
  countOpen,
  deleteLeasesOverBefore,
  endedAmong,
  endForgotten,
  findLease,
  insertLease,
  type LeaseRow,
} from './leases.store.ts';
export { storedPolicy } from './stored-policy.ts';
