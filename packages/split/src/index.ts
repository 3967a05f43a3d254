export * from './model.ts'
export * from './side.ts'
export { obstacleCodes, type ObstacleCode } from './obstacle-codes.ts'
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
export { probeTables } from './mariadb/probe-table.ts'
export { openMariadbSide } from './mariadb/open-mariadb-side.ts'
export {
  moveWithinServer,
  planWithinServer,
  undoMoveWithinServer,
  type WithinServerMove,
  type WithinServerOptions,
  type WithinServerResult,
} from './mariadb/within-server/move-within-server.ts'
export type { WithinServerPlan } from './mariadb/within-server/plan.ts'
export * from './mariadb/within-server/errors.ts'
export { states, transitions, serves, type State } from './ledger/states.ts'
export { Ledger, type Detail, type HistoryEntry, type ServiceEntry } from './ledger/ledger.ts'
export * from './ledger/errors.ts'
export * from './protocol/errors.ts'
export { defaultOptions, type Move, type MoveOptions, type Routes, type ServiceSchema } from './protocol/move.ts'
export { run, type RunResult } from './protocol/run.ts'
export { recover } from './protocol/recover.ts'
export { cancel, retire, revert } from './protocol/way-back.ts'
export { verifySides, type Verification } from './protocol/verify.ts'
export type { Comparison, Mismatch } from './protocol/compare.ts'
export { exportPlanned, importPlanned, type TransferOptions } from './transfer/transfer-planned.ts'
export type { Manifest } from './transfer/manifest.ts'
export * from './transfer/errors.ts'
export * from './deps/index.ts'
export { derivePostgresSchema, type DerivedSchema, type LeftOut } from './postgres/derive.ts'
export {
  deriveServiceSchema,
  type DeriveOptions,
  type DerivedServiceSchema,
} from './mariadb/derive/derive-service-schema.ts'
export {
  deprovisionServiceDatabase,
  freeDiskBytes,
  grantServiceRoles,
  provisionServiceDatabase,
  type RoleAccess,
  type ServiceDatabaseAccess,
  type ServiceDatabasePlan,
} from './postgres/provision.ts'
export { dropReadOnlyCopy, makeReadOnlyCopy, readOnlyCopyLag, type ReadOnlyCopy } from './postgres/read-only-copy.ts'
export { Split, type SplitSettings } from './split.ts'
export type { KeptTable, ServicePlan, SplitPlan } from './plan/split-plan.ts'
export * from './errors.ts'
export { follow, stopFollowing } from './operations/follow.ts'
export { relay, type Hearing, type RelayOptions } from './relay/relay.ts'
export { looseOrphansOf, workLooseKeysOf } from './operations/loose-keys.ts'
export { dropReadOnlyCopiesOf, makeReadOnlyCopies } from './operations/copies.ts'
export { readStatus } from './status/read-status.ts'
export { figures, lagText, type Figure } from './status/figures.ts'
export { statusPage } from './status/status-page.ts'
export type { LogLag, ServiceStatus, SplitStatus } from './status/split-status.ts'
export { runServices, type RunOptions, type ServiceResult } from './operations/run-services.ts'
export { cancelService, retireService, revertService, suggestOwners, verifyService } from './operations/services.ts'
export { readEnvFile } from './configure/env-file.ts'
export { guide } from './test-guide/guide.ts'
export type { Answer, GuideTest } from './test-guide/guide-test.ts'
export { guidePage } from './test-guide/guide-page.ts'
export { runGuide, type GuideReport, type GuideResult } from './test-guide/run-guide.ts'
