import { runsAlone } from '../../../migrate/transaction-mode.ts'
import { statementKind } from '../../../parse/statement-kind.ts'
import { heldLocks } from '../../locks/held-locks.ts'
import type { LintRule } from '../../rule.ts'

export const concurrentlyInTransaction: LintRule = {
  id: 'concurrently-in-transaction',
  family: 'locks',
  severity: 'error',
  effect: 'PostgreSQL refuses the statement: the file fails as soon as it runs.',
  instead: 'Remove BEGIN and COMMIT; a file with such a statement runs statement by statement.',
  *check(statement, moment) {
    const { isOpen } = heldLocks(statement, moment)
    if (!isOpen || !runsAlone(statement)) return
    yield { object: null, message: `'${statementKind(statement)}' cannot run between BEGIN and COMMIT` }
  },
}
