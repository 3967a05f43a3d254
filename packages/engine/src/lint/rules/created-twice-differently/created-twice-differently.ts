import { parsedColumns } from '../../history/parsed-columns.ts'
import { relationKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const createdTwiceDifferently: LintRule = {
  id: 'created-twice-differently',
  family: 'history',
  severity: 'error',
  effect: 'PostgreSQL skips the second definition without a word: the code that counts on it meets the first one.',
  instead: 'Alter the table that exists, or give the new one another name.',
  on: ['CreateStmt'],
  *check(statement, { catalog }) {
    if (!('CreateStmt' in statement.node) || !statement.node.CreateStmt.if_not_exists) return
    const name = relationKey(statement.node.CreateStmt.relation)
    const existing = catalog.tables.get(name)
    const columns = parsedColumns(statement.node.CreateStmt)
    if (!existing || columns === null) return
    const differences = differencesOf(existing.columns, columns)
    if (differences.length === 0) return
    yield {
      object: name,
      message: `table '${name}' exists already with other columns: ${differences.join(', ')}`,
      related: existing.position ? [{ ...existing.position, message: 'created first here' }] : [],
    }
  },
}

function differencesOf(
  before: ReadonlyMap<string, { readonly type: string }>,
  after: ReadonlyMap<string, string>,
): string[] {
  const found: string[] = []
  for (const [name, type] of after) {
    const column = before.get(name)
    if (!column) found.push(`'${name}' is missing there`)
    else if (column.type !== type) found.push(`'${name}' is ${column.type} there, ${type} here`)
  }
  for (const name of before.keys()) if (!after.has(name)) found.push(`'${name}' is missing here`)
  return found
}
