import type { LintRule } from '../rule.ts'
import { columnAddedTwice } from './column-added-twice/column-added-twice.ts'
import { createdTwice } from './created-twice/created-twice.ts'
import { createdTwiceDifferently } from './created-twice-differently/created-twice-differently.ts'
import { downDoesNotReverse } from './down-does-not-reverse/down-does-not-reverse.ts'
import { enumValueUsedTooEarly } from './enum-value-used-too-early/enum-value-used-too-early.ts'
import { foreignKeyTypeMismatch } from './foreign-key-type-mismatch/foreign-key-type-mismatch.ts'
import { grantMissing } from './grant-missing/grant-missing.ts'
import { missingColumn } from './missing-column/missing-column.ts'
import { missingObject } from './missing-object/missing-object.ts'
import { triggerBeforeFunction } from './trigger-before-function/trigger-before-function.ts'
import { usedAfterDrop } from './used-after-drop/used-after-drop.ts'
import { usedAfterRename } from './used-after-rename/used-after-rename.ts'
import { usedBeforeCreated } from './used-before-created/used-before-created.ts'
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

/** Every rule over statements, by family. A test compares this list with the folders. */
export const lintRules: readonly LintRule[] = [...history]
