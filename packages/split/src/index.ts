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
