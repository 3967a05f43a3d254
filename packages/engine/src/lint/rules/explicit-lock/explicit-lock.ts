import { lockModes, locksOf, blocksWriters } from '../../locks/locks-of.ts'
import type { LintRule } from '../../rule.ts'

export const explicitLock: LintRule = {
  id: 'explicit-lock',
  family: 'locks',
  severity: 'warning',
  effect: 'Others wait from here to the end of the transaction, behind what it waits for as well.',
  instead:
    'Leave it out: statements take the locks that they need; to guard data against a race use a unique key or an advisory lock.',
  on: ['LockStmt'],
  *check(statement, moment) {
    for (const { table, mode } of locksOf(statement, moment.catalog)) {
      if (!blocksWriters(mode) || moment.isNew(table)) continue
      const who = mode === lockModes.at(-1) ? 'readers and writers' : 'writers'
      yield { object: table, message: `${who} of '${table}' wait until the transaction ends` }
    }
  },
}
