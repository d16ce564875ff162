export { isInWindow } from './in-window.ts';
export { heldLeasesRoutes, leasesRoutes } from './leases.routes.ts';
export { endLeases, leaseEnded, outsideWindow, termOf } from './leases.service.ts';
export {
  countOpen,
  deleteLeasesOverBefore,
  endedAmong,
  findLease,
  insertLease,
  type LeaseRow,
} from './leases.store.ts';
