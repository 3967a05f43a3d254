import { heldLocks } from '../../locks/held-locks.ts'
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
    const held = before.filter(({ mode }) => mode === 'access exclusive')
    const tables = new Set(held.map(({ table }) => table))
    const next = taken.find(({ table, mode }) => mode === 'access exclusive' && !tables.has(table))
    const [first] = held
    if (!first || !next || tables.size !== 1) return
    yield {
      object: next.table,
      message: `'${next.table}' is locked while the lock on '${first.table}' is held`,
      related: [{ ...first, message: 'locked here' }],
    }
  },
}
