import { runsAlone } from '../../../migrate/transaction-mode.ts'
import { statementKind } from '../../../parse/statement-kind.ts'
import type { ParsedStatement } from '../../../parse/parse-sql.ts'
import type { LintRule } from '../../rule.ts'

export const concurrentlyMixed: LintRule = {
  id: 'concurrently-mixed',
  family: 'locks',
  severity: 'warning',
  effect:
    'The file cannot be one transaction: when it fails half-way, what ran before the failure stays; tools that always open one fail.',
  instead:
    'Move the statement into a file of its own, or say that the file is meant so: -- imhotep:no-transaction on its first line.',
  *checkFile(file) {
    if (!file.transactional || file.name?.kind === 'undo') return
    const alone = file.statements.find(runsAlone)
    const other = file.statements.find((statement) => !runsAlone(statement) && changesSomething(statement))
    if (!alone || !other) return
    yield {
      at: alone.start,
      object: null,
      message: `'${statementKind(alone)}' cannot run in a transaction, and the file has other statements`,
      related: [{ file: file.file, line: other.line, column: other.column, message: 'runs outside a transaction too' }],
    }
  },
}

/** DROP INDEX IF EXISTS before a concurrent build clears away what an interrupted one left. */
function changesSomething({ node }: ParsedStatement): boolean {
  if ('DropStmt' in node) return node.DropStmt.removeType !== 'OBJECT_INDEX'
  return !['VariableSetStmt', 'CommentStmt', 'TransactionStmt', 'SelectStmt', 'VariableShowStmt'].includes(
    Object.keys(node)[0] ?? '',
  )
}
