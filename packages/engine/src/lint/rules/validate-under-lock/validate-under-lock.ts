import { blocksWriters, locksOf } from '../../locks/locks-of.ts'
import { alterSteps } from '../../locks/alter-steps.ts'
import { heldLocks } from '../../locks/held-locks.ts'
import type { LintRule } from '../../rule.ts'

export const validateUnderLock: LintRule = {
  id: 'validate-under-lock',
  family: 'locks',
  severity: 'error',
  effect:
    'VALIDATE CONSTRAINT lets readers and writers go on, but the strong lock of the statement before is held until every row is read: NOT VALID gained nothing.',
  instead: 'Move VALIDATE CONSTRAINT into a file of its own, behind the one that adds the constraint.',
  *check(statement, moment) {
    const { before, taken } = heldLocks(statement, moment)
    const steps = alterSteps(statement).filter(({ command }) => command.subtype === 'AT_ValidateConstraint')
    if (steps.length === 0) return
    // In one ALTER TABLE with a stronger command its lock counts too.
    const own = locksOf(statement, moment.catalog).some(({ mode }) => blocksWriters(mode)) ? taken : []
    const [lock] = [...before, ...own]
    if (!lock) return
    for (const { table, command, start } of steps) {
      if (moment.isNew(table)) continue
      yield {
        at: start,
        object: table,
        message: `every row of '${table}' is read for '${command.name}' under the lock on '${lock.table}' (${lock.mode})`,
        related: [{ ...lock, message: 'the lock is taken here' }],
      }
    }
  },
}
