export * from './model.ts'
export * from './side.ts'
export {
  openPostgresSide,
  openServiceDatabase,
  type PostgresSideOptions,
  type ServiceDatabaseOptions,
} from './postgres/open-postgres-side.ts'
export * from './postgres/errors.ts'
export * from './map/index.ts'
export {
  mapTables,
  type MappedTables,
  type MappingOptions,
  type TypeFinding,
  type TypePolicies,
} from './types/map-tables.ts'
export type { ColumnFacts, TableFacts } from './types/facts.ts'
export * from './mariadb/errors.ts'
