import { heldLocks } from '../../locks/held-locks.ts'
import { rowsChanged } from '../../locks/rows-changed.ts'
import type { LintRule } from '../../rule.ts'

export const updateWithoutWhere: LintRule = {
  id: 'update-without-where',
  family: 'locks',
  severity: 'warning',
  effect:
    'Every row stays locked until the statement ends and is stored twice until vacuum has run; replicas fall behind.',
  instead:
    'Update in batches by key of some thousand rows, each in a transaction of its own; for one value use a default.',
  *check(statement, moment) {
    // Under a lock another rule tells of it.
    const { before } = heldLocks(statement, moment)
    if (before.length > 0 || !('UpdateStmt' in statement.node) || statement.node.UpdateStmt.whereClause) return
    const change = rowsChanged(statement, moment)
    if (change && !change.isSmall)
      yield { object: change.table, message: `every row of '${change.table}' is updated in one statement` }
  },
}
