export { aheadOfWriters, changeGroup, refuseTooLarge } from './change-group.ts';
export { authorizedGroup, authorizedGroupsEver } from './groups.service.ts';
export {
  advanceGroup,
  entryBytes,
  holdGroup,
  leapGroup,
  listGroupIds,
  measureEntries,
} from './groups.store.ts';
export { groupsRoutes } from './groups.routes.ts';
