import type { ParsedFile, ParsedStatement } from '../../parse/parse-sql.ts'

const known = new WeakMap<ParsedFile, Set<ParsedStatement>>()

/** The statements of a file that a later ROLLBACK of the same file takes back, also to a savepoint. */
export function rolledBack(file: ParsedFile): Set<ParsedStatement> {
  const before = known.get(file)
  if (before) return before
  const undone = new Set<ParsedStatement>()
  known.set(file, undone)
  let open: ParsedStatement[] | null = null
  let savepoints: { name: string; at: number }[] = []
  for (const statement of file.statements) {
    const transaction = 'TransactionStmt' in statement.node ? statement.node.TransactionStmt : null
    if (!transaction) {
      open?.push(statement)
      continue
    }
    const { kind, savepoint_name: name = '' } = transaction
    const point = savepoints.findLast((own) => own.name === name)
    if (kind === 'TRANS_STMT_BEGIN' || kind === 'TRANS_STMT_START') [open, savepoints] = [[], []]
    else if (kind === 'TRANS_STMT_SAVEPOINT') savepoints.push({ name, at: open?.length ?? 0 })
    else if (kind === 'TRANS_STMT_ROLLBACK_TO' && open && point)
      for (const own of open.splice(point.at)) undone.add(own)
    else if (kind === 'TRANS_STMT_ROLLBACK') {
      for (const own of open ?? []) undone.add(own)
      open = null
    } else if (kind === 'TRANS_STMT_COMMIT') open = null
  }
  return undone
}
