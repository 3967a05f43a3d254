import { declaresNoTransaction, needsStatements } from '../../migrate/transaction-mode.ts'
import type { ParsedFile, ParsedStatement } from '../../parse/parse-sql.ts'

/** Whether a file runs as one transaction that it neither begins nor ends itself. */
export function isOneTransaction({ text, statements }: ParsedFile): boolean {
  return !declaresNoTransaction(text) && !needsStatements(statements) && !statements.some(endsTransaction)
}

function endsTransaction({ node }: ParsedStatement): boolean {
  return 'TransactionStmt' in node && ENDS.has(node.TransactionStmt.kind ?? '')
}

const ENDS = new Set(['TRANS_STMT_COMMIT', 'TRANS_STMT_ROLLBACK'])
