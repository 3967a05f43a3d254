import { heldLocks, type HeldLock } from '../../locks/held-locks.ts'
import type { LintRule } from '../../rule.ts'

export const manyTablesLocked: LintRule = {
  id: 'many-tables-locked',
  family: 'locks',
  severity: 'info',
  // imhotep migrate gives up after lock_timeout or a deadlock, takes all back and tries again.
  profile: 'style',
  effect:
    'The first table stays locked while the file waits for the next one; a client that takes them in the other order and the file wait for each other.',
  instead: 'Change one table a file.',
  *check(statement, moment) {
    const { before, taken } = heldLocks(statement, moment)
    const isExclusive = ({ mode }: HeldLock) => mode === 'access exclusive'
    const first = before.find(isExclusive)
    const next = first && taken.find((lock) => isExclusive(lock) && lock.table !== first.table)
    // told once, where the second table is locked
    if (!next || before.some((lock) => isExclusive(lock) && lock.table !== first.table)) return
    yield {
      object: next.table,
      message: `'${next.table}' is locked while the lock on '${first.table}' is held`,
      related: [{ ...first, message: 'locked here' }],
    }
  },
}
