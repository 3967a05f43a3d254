import { runsAlone } from '../../../migrate/transaction-mode.ts'
import type { ParsedStatement } from '../../../parse/parse-sql.ts'
import { statementKind } from '../../../parse/statement-kind.ts'
import { relationKey } from '../../history/names.ts'
import { heldLocks } from '../../locks/held-locks.ts'
import { indexOwner } from '../../locks/index-owner.ts'
import type { LintRule, Moment } from '../../rule.ts'

export const concurrentlyInTransaction: LintRule = {
  id: 'concurrently-in-transaction',
  family: 'locks',
  severity: 'error',
  effect: 'PostgreSQL refuses the statement: the file fails as soon as it runs.',
  instead:
    'Remove BEGIN and COMMIT; a file with such a statement runs statement by statement. For REINDEX of a partitioned table say so: -- imhotep:no-transaction on the first line.',
  *check(statement, moment) {
    const { isOpen } = heldLocks(statement, moment)
    if (!isOpen) return
    if (runsAlone(statement))
      yield { object: null, message: `'${statementKind(statement)}' cannot run between BEGIN and COMMIT` }
    const table = reindexed(statement, moment)
    if (table !== null && moment.catalog.tables.get(table)?.partitionKey != null)
      yield { object: table, message: `'reindex' of partitioned table '${table}' cannot run in a transaction` }
  },
}

function reindexed({ node }: ParsedStatement, { catalog }: Moment): string | null {
  if (!('ReindexStmt' in node) || !node.ReindexStmt.relation) return null
  const name = relationKey(node.ReindexStmt.relation)
  return indexOwner(name, catalog)?.table ?? name
}
