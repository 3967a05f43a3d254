import { heldLocks } from '../../locks/held-locks.ts'
import { rowsChanged } from '../../locks/rows-changed.ts'
import type { LintRule } from '../../rule.ts'

export const backfillWithDdl: LintRule = {
  id: 'backfill-with-ddl',
  family: 'locks',
  severity: 'error',
  effect: 'The lock of the statement before is held until all rows are written: those who use that table wait as long.',
  instead:
    'Change the schema in one file and the rows in a later one, in batches by key of some thousand rows, each in a transaction of its own.',
  *check(statement, moment) {
    const { before } = heldLocks(statement, moment)
    const [lock] = before
    const change = lock ? rowsChanged(statement, moment) : null
    if (!lock || !change || change.isSmall) return
    yield {
      object: change.table,
      message: `rows of '${change.table}' are ${change.verb} under the lock on '${lock.table}' (${lock.mode})`,
      related: [{ ...lock, message: 'the lock is taken here' }],
    }
  },
}
