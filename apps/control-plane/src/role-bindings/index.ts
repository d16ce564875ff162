export {
  authorizedGrants,
  authorizeOver,
  heldRolesOf,
  rolesInWords,
  shownRole,
} from './grant-roles.ts';
export { roleBindingsRoutes } from './role-bindings.routes.ts';
export { operatorNotFound, refuseLastOwner } from './role-bindings.service.ts';
export {
  grantsColumn,
  grantsJson,
  insertRoleBindings,
  listHeldRoles,
  type NamedGrant,
} from './role-bindings.store.ts';
