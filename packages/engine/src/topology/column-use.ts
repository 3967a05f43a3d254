import { bodyTrees, path } from '../parse/references.ts'
import type { ParsedStatement } from '../parse/parse-sql.ts'
import { walkTree } from '../parse/walk.ts'

/** What a statement does with one table. */
export interface TableUse {
  /** Inserts, updates, deletes or locks. */
  readonly writes: boolean
  /** Takes rows as a whole: `*`, `%rowtype`, the alias as a value. */
  readonly wholeRows: boolean
  /** Columns that it names, also without saying of which table. */
  readonly columns: Set<string>
}

/** How a statement, with the bodies in it, uses a table of which the columns are known. The grammar must be loaded. */
export function tableUse(statement: ParsedStatement, table: string, columns: ReadonlySet<string>): TableUse {
  const used = { writes: false, wholeRows: false, columns: new Set<string>() }
  if (statement.text.toLowerCase().includes(`${table}%rowtype`)) used.wholeRows = true
  for (const tree of [statement.node, ...bodyTrees(statement)]) collect(tree, table, columns, used)
  return used
}

interface Collected {
  writes: boolean
  wholeRows: boolean
  readonly columns: Set<string>
}

const WRITING = new Set(['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'])

function collect(tree: unknown, table: string, columns: ReadonlySet<string>, used: Collected): void {
  const aliases = new Set<string>()
  walkTree(tree, (tag, content) => {
    if (tag === 'RangeVar' && isTable(content, table)) aliases.add(aliasOf(content))
    if (WRITING.has(tag) && isTable(content['relation'] as Record<string, unknown>, table)) used.writes = true
  })
  if (aliases.size === 0) return
  walkTree(tree, (tag, content) => {
    if (tag === 'LockingClause') used.writes ||= locks(content, aliases)
    if (tag !== 'ColumnRef') return
    const fields = content['fields'] as unknown[]
    const names = path(fields)
    const isStar = names.length < fields.length
    const [first = '', second] = names
    if (isStar) used.wholeRows ||= names.length === 0 || aliases.has(first)
    else if (second === undefined) {
      if (columns.has(first)) used.columns.add(first)
      else used.wholeRows ||= aliases.has(first)
    } else if (aliases.has(first)) used.columns.add(second)
  })
}

function isTable(range: Record<string, unknown> | undefined, table: string): boolean {
  return range !== undefined && `${String(range['schemaname'])}.${String(range['relname'])}` === table
}

function aliasOf(range: Record<string, unknown>): string {
  return (range['alias'] as { aliasname?: string } | undefined)?.aliasname ?? String(range['relname'])
}

/** FOR UPDATE without OF locks every table of its query. */
function locks(clause: Record<string, unknown>, aliases: Set<string>): boolean {
  const named = clause['lockedRels'] as { RangeVar?: Record<string, unknown> }[] | undefined
  return named === undefined || named.some(({ RangeVar: range }) => aliases.has(String(range?.['relname'])))
}
