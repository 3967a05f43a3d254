import { statementKind } from '../../../parse/statement-kind.ts'
import type { ParsedStatement } from '../../../parse/parse-sql.ts'
import type { LintRule } from '../../rule.ts'

export const transactionControl: LintRule = {
  id: 'transaction-control',
  family: 'locks',
  severity: 'error',
  effect:
    'A file is one transaction with the record that it ran: a COMMIT inside tears them apart, a BEGIN without COMMIT loses the work or leaves locks behind. imhotep migrate refuses the file.',
  instead:
    'Remove it, or split the file; BEGIN as the first and COMMIT as the last statement do no harm. What must run outside a transaction: -- imhotep:no-transaction.',
  *checkFile(file) {
    if (file.name?.kind === 'undo') return
    const { statements } = file
    const isWrapped = statements.length > 1 && isOpening(statements[0]) && isCommit(statements.at(-1))
    for (const statement of isWrapped ? statements.slice(1, -1) : statements) {
      const { node, start } = statement
      if (!('TransactionStmt' in node) || SAVEPOINTS.has(node.TransactionStmt.kind ?? '')) continue
      yield { at: start, object: null, message: `'${statementKind(statement)}' inside a file that is one transaction` }
    }
  },
}

const SAVEPOINTS = new Set(['TRANS_STMT_SAVEPOINT', 'TRANS_STMT_RELEASE', 'TRANS_STMT_ROLLBACK_TO'])

function isOpening(statement: ParsedStatement | undefined): boolean {
  if (!statement || !('TransactionStmt' in statement.node)) return false
  const { kind, options } = statement.node.TransactionStmt
  return (kind === 'TRANS_STMT_BEGIN' || kind === 'TRANS_STMT_START') && options === undefined
}

function isCommit(statement: ParsedStatement | undefined): boolean {
  return statement !== undefined && statementKind(statement) === 'commit'
}
