import type { LintRule } from '../rule.ts'
import { checkNotValid } from './check-not-valid/check-not-valid.ts'
import { columnAddedTwice } from './column-added-twice/column-added-twice.ts'
import { concurrentIndexIfNotExists } from './concurrent-index-if-not-exists/concurrent-index-if-not-exists.ts'
import { concurrentIndexUnnamed } from './concurrent-index-unnamed/concurrent-index-unnamed.ts'
import { concurrentlyInTransaction } from './concurrently-in-transaction/concurrently-in-transaction.ts'
import { concurrentlyMixed } from './concurrently-mixed/concurrently-mixed.ts'
import { createdTwiceDifferently } from './created-twice-differently/created-twice-differently.ts'
import { createdTwice } from './created-twice/created-twice.ts'
import { downDoesNotReverse } from './down-does-not-reverse/down-does-not-reverse.ts'
import { dropIndexNotConcurrent } from './drop-index-not-concurrent/drop-index-not-concurrent.ts'
import { enumValueUsedTooEarly } from './enum-value-used-too-early/enum-value-used-too-early.ts'
import { exclusionAdded } from './exclusion-added/exclusion-added.ts'
import { foreignKeyNotValid } from './foreign-key-not-valid/foreign-key-not-valid.ts'
import { foreignKeyTypeMismatch } from './foreign-key-type-mismatch/foreign-key-type-mismatch.ts'
import { grantMissing } from './grant-missing/grant-missing.ts'
import { indexNotConcurrent } from './index-not-concurrent/index-not-concurrent.ts'
import { missingColumn } from './missing-column/missing-column.ts'
import { missingObject } from './missing-object/missing-object.ts'
import { refreshNotConcurrent } from './refresh-not-concurrent/refresh-not-concurrent.ts'
import { reindexNotConcurrent } from './reindex-not-concurrent/reindex-not-concurrent.ts'
import { triggerBeforeFunction } from './trigger-before-function/trigger-before-function.ts'
import { uniqueWithoutIndex } from './unique-without-index/unique-without-index.ts'
import { usedAfterDrop } from './used-after-drop/used-after-drop.ts'
import { usedAfterRename } from './used-after-rename/used-after-rename.ts'
import { usedBeforeCreated } from './used-before-created/used-before-created.ts'
import { validateInSameTransaction } from './validate-in-same-transaction/validate-in-same-transaction.ts'
import { versionCollision } from './version-collision/version-collision.ts'
import { versionMalformed } from './version-malformed/version-malformed.ts'
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
  downDoesNotReverse,
]

const locks: readonly LintRule[] = [
  checkNotValid,
  concurrentIndexIfNotExists,
  concurrentIndexUnnamed,
  concurrentlyInTransaction,
  concurrentlyMixed,
  dropIndexNotConcurrent,
  exclusionAdded,
  foreignKeyNotValid,
  indexNotConcurrent,
  refreshNotConcurrent,
  reindexNotConcurrent,
  uniqueWithoutIndex,
  validateInSameTransaction,
]

/** Every rule over statements, by family. A test compares this list with the folders. */
export const lintRules: readonly LintRule[] = [...history, ...locks]
