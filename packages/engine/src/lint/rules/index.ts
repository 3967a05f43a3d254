import type { LintRule } from '../rule.ts'
import { attachScans } from './attach-scans/attach-scans.ts'
import { backfillWithDdl } from './backfill-with-ddl/backfill-with-ddl.ts'
import { bypassRlsRole } from './bypass-rls-role/bypass-rls-role.ts'
import { characterColumn } from './character-column/character-column.ts'
import { checkNarrowed } from './check-narrowed/check-narrowed.ts'
import { checkNotValid } from './check-not-valid/check-not-valid.ts'
import { columnAddedTwice } from './column-added-twice/column-added-twice.ts'
import { columnDropped } from './column-dropped/column-dropped.ts'
import { columnRenamed } from './column-renamed/column-renamed.ts'
import { columnRewritesTable } from './column-rewrites-table/column-rewrites-table.ts'
import { concurrentIndexIfNotExists } from './concurrent-index-if-not-exists/concurrent-index-if-not-exists.ts'
import { concurrentIndexUnnamed } from './concurrent-index-unnamed/concurrent-index-unnamed.ts'
import { concurrentlyInTransaction } from './concurrently-in-transaction/concurrently-in-transaction.ts'
import { concurrentlyMixed } from './concurrently-mixed/concurrently-mixed.ts'
import { concurrentlyRefused } from './concurrently-refused/concurrently-refused.ts'
import { constraintNeverValidated } from './constraint-never-validated/constraint-never-validated.ts'
import { createdTwiceDifferently } from './created-twice-differently/created-twice-differently.ts'
import { createdTwice } from './created-twice/created-twice.ts'
import { databaseDropped } from './database-dropped/database-dropped.ts'
import { defaultDropped } from './default-dropped/default-dropped.ts'
import { defaultPartitionScanned } from './default-partition-scanned/default-partition-scanned.ts'
import { detachNotConcurrent } from './detach-not-concurrent/detach-not-concurrent.ts'
import { domainCheckNotValid } from './domain-check-not-valid/domain-check-not-valid.ts'
import { downDoesNotReverse } from './down-does-not-reverse/down-does-not-reverse.ts'
import { dropCascade } from './drop-cascade/drop-cascade.ts'
import { dropIndexNotConcurrent } from './drop-index-not-concurrent/drop-index-not-concurrent.ts'
import { droppedWhileUsed } from './dropped-while-used/dropped-while-used.ts'
import { enumValueRenamed } from './enum-value-renamed/enum-value-renamed.ts'
import { enumValueUsedTooEarly } from './enum-value-used-too-early/enum-value-used-too-early.ts'
import { exclusionAdded } from './exclusion-added/exclusion-added.ts'
import { explicitLock } from './explicit-lock/explicit-lock.ts'
import { foreignKeyDropped } from './foreign-key-dropped/foreign-key-dropped.ts'
import { foreignKeyNotValid } from './foreign-key-not-valid/foreign-key-not-valid.ts'
import { foreignKeyTypeMismatch } from './foreign-key-type-mismatch/foreign-key-type-mismatch.ts'
import { functionChanged } from './function-changed/function-changed.ts'
import { grantMissing } from './grant-missing/grant-missing.ts'
import { identifierTooLong } from './identifier-too-long/identifier-too-long.ts'
import { identityAlways } from './identity-always/identity-always.ts'
import { ifExistsMissing } from './if-exists-missing/if-exists-missing.ts'
import { indexNotConcurrent } from './index-not-concurrent/index-not-concurrent.ts'
import { jsonColumn } from './json-column/json-column.ts'
import { keyDropped } from './key-dropped/key-dropped.ts'
import { lockTimeoutDisabled } from './lock-timeout-disabled/lock-timeout-disabled.ts'
import { loggedChanged } from './logged-changed/logged-changed.ts'
import { manyTablesLocked } from './many-tables-locked/many-tables-locked.ts'
import { missingColumn } from './missing-column/missing-column.ts'
import { missingObject } from './missing-object/missing-object.ts'
import { noLockTimeout } from './no-lock-timeout/no-lock-timeout.ts'
import { notInSubquery } from './not-in-subquery/not-in-subquery.ts'
import { notNullScans } from './not-null-scans/not-null-scans.ts'
import { notValidRefused } from './not-valid-refused/not-valid-refused.ts'
import { objectDropped } from './object-dropped/object-dropped.ts'
import { partitionCreatedInPlace } from './partition-created-in-place/partition-created-in-place.ts'
import { policyDropped } from './policy-dropped/policy-dropped.ts'
import { privilegeRevoked } from './privilege-revoked/privilege-revoked.ts'
import { refreshNotConcurrent } from './refresh-not-concurrent/refresh-not-concurrent.ts'
import { reindexNotConcurrent } from './reindex-not-concurrent/reindex-not-concurrent.ts'
import { requiredColumnAdded } from './required-column-added/required-column-added.ts'
import { rowSecurityOff } from './row-security-off/row-security-off.ts'
import { rowsDeleted } from './rows-deleted/rows-deleted.ts'
import { rowsInMigration } from './rows-in-migration/rows-in-migration.ts'
import { rowsTruncated } from './rows-truncated/rows-truncated.ts'
import { schemaDropped } from './schema-dropped/schema-dropped.ts'
import { sequenceRestarted } from './sequence-restarted/sequence-restarted.ts'
import { serialColumn } from './serial-column/serial-column.ts'
import { storageMoved } from './storage-moved/storage-moved.ts'
import { tableCopied } from './table-copied/table-copied.ts'
import { tableDropped } from './table-dropped/table-dropped.ts'
import { tableRenamed } from './table-renamed/table-renamed.ts'
import { tableWrittenAnew } from './table-written-anew/table-written-anew.ts'
import { transactionControl } from './transaction-control/transaction-control.ts'
import { trailRemoved } from './trail-removed/trail-removed.ts'
import { triggerBeforeFunction } from './trigger-before-function/trigger-before-function.ts'
import { triggerRemoved } from './trigger-removed/trigger-removed.ts'
import { triggersDisabled } from './triggers-disabled/triggers-disabled.ts'
import { typeChangeChecksRows } from './type-change-checks-rows/type-change-checks-rows.ts'
import { typeChangeRebuildsIndex } from './type-change-rebuilds-index/type-change-rebuilds-index.ts'
import { typeChangeRewrites } from './type-change-rewrites/type-change-rewrites.ts'
import { typeChangeUnderView } from './type-change-under-view/type-change-under-view.ts'
import { typeNarrowed } from './type-narrowed/type-narrowed.ts'
import { uniqueOnExistingRows } from './unique-on-existing-rows/unique-on-existing-rows.ts'
import { uniqueWithoutIndex } from './unique-without-index/unique-without-index.ts'
import { uniqueWithoutPartitionKey } from './unique-without-partition-key/unique-without-partition-key.ts'
import { updateWithoutWhere } from './update-without-where/update-without-where.ts'
import { usedAfterDrop } from './used-after-drop/used-after-drop.ts'
import { usedAfterRename } from './used-after-rename/used-after-rename.ts'
import { usedBeforeCreated } from './used-before-created/used-before-created.ts'
import { validateUnderLock } from './validate-under-lock/validate-under-lock.ts'
import { varcharLength } from './varchar-length/varchar-length.ts'
import { versionCollision } from './version-collision/version-collision.ts'
import { versionMalformed } from './version-malformed/version-malformed.ts'
import { viewColumnsChanged } from './view-columns-changed/view-columns-changed.ts'
import { viewOnDroppedColumn } from './view-on-dropped-column/view-on-dropped-column.ts'

const history: readonly LintRule[] = [
  versionMalformed,
  versionCollision,
  usedBeforeCreated,
  missingObject,
  missingColumn,
  triggerBeforeFunction,
  usedAfterRename,
  usedAfterDrop,
  createdTwice,
  createdTwiceDifferently,
  columnAddedTwice,
  viewOnDroppedColumn,
  foreignKeyTypeMismatch,
  enumValueUsedTooEarly,
  grantMissing,
  uniqueWithoutPartitionKey,
  downDoesNotReverse,
]

const locks: readonly LintRule[] = [
  attachScans,
  backfillWithDdl,
  checkNotValid,
  columnRewritesTable,
  concurrentIndexIfNotExists,
  concurrentIndexUnnamed,
  concurrentlyInTransaction,
  concurrentlyMixed,
  concurrentlyRefused,
  constraintNeverValidated,
  defaultPartitionScanned,
  detachNotConcurrent,
  domainCheckNotValid,
  dropIndexNotConcurrent,
  exclusionAdded,
  explicitLock,
  foreignKeyNotValid,
  indexNotConcurrent,
  lockTimeoutDisabled,
  loggedChanged,
  manyTablesLocked,
  noLockTimeout,
  notNullScans,
  notValidRefused,
  partitionCreatedInPlace,
  refreshNotConcurrent,
  reindexNotConcurrent,
  storageMoved,
  tableCopied,
  tableWrittenAnew,
  transactionControl,
  typeChangeChecksRows,
  typeChangeRebuildsIndex,
  typeChangeRewrites,
  uniqueWithoutIndex,
  updateWithoutWhere,
  validateUnderLock,
]

const destruction: readonly LintRule[] = [
  characterColumn,
  checkNarrowed,
  columnDropped,
  columnRenamed,
  databaseDropped,
  defaultDropped,
  dropCascade,
  droppedWhileUsed,
  enumValueRenamed,
  foreignKeyDropped,
  functionChanged,
  identityAlways,
  jsonColumn,
  keyDropped,
  objectDropped,
  privilegeRevoked,
  requiredColumnAdded,
  rowsDeleted,
  rowsTruncated,
  schemaDropped,
  sequenceRestarted,
  tableDropped,
  tableRenamed,
  triggerRemoved,
  triggersDisabled,
  typeChangeUnderView,
  typeNarrowed,
  uniqueOnExistingRows,
  viewColumnsChanged,
]

const tenancy: readonly LintRule[] = [rowSecurityOff, policyDropped, bypassRlsRole]

const policy: readonly LintRule[] = [trailRemoved, rowsInMigration]

const structure: readonly LintRule[] = [identifierTooLong, notInSubquery, serialColumn, varcharLength, ifExistsMissing]

/** Every rule over statements, by family. A test compares this list with the folders. */
export const lintRules: readonly LintRule[] = [
  ...history,
  ...locks,
  ...destruction,
  ...tenancy,
  ...policy,
  ...structure,
]
