export {
  ownersOf,
  SHARED_READ,
  type CheckedOwnerMap,
  type MapEntry,
  type MappedService,
  type NamedService,
  type OwnedTable,
  type OwnerMap,
  type OwnerOf,
  type ZeroDate,
} from './owner-map.ts'
export { readOwnerMap } from './read-owner-map.ts'
export { checkOwnerMap } from './check-owner-map.ts'
export { suggestMap, type KnownTable, type SuggestedMap, type SuggestedOwner } from './suggest-map.ts'
export { printMap } from './print-map.ts'
export { knownTables } from './known-tables.ts'
export { OwnerMapError, type MapProblem } from './errors.ts'
