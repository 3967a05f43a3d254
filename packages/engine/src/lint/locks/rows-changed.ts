import type { Node } from '../../parse/parser.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { path } from '../../parse/references.ts'
import { walkTree } from '../../parse/walk.ts'
import { relationKey } from '../history/names.ts'
import type { Moment } from '../rule.ts'

export interface RowsChanged {
  readonly table: string
  readonly verb: 'updated' | 'deleted' | 'inserted' | 'copied'
  /** Rows that the statement names by their key. */
  readonly isSmall: boolean
}

/** What a statement does to rows of tables that have some; null when it does nothing to any. */
export function rowsChanged({ node }: ParsedStatement, moment: Moment): RowsChanged | null {
  if ('UpdateStmt' in node) {
    const { relation, whereClause, fromClause = [] } = node.UpdateStmt
    const found = change(relationKey(relation), 'updated', whereClause)
    return found && fromClause.length > 0 && fromClause.every(isList) ? { ...found, isSmall: true } : found
  }
  if ('DeleteStmt' in node) return change(relationKey(node.DeleteStmt.relation), 'deleted', node.DeleteStmt.whereClause)
  const query = copiedQuery(node)
  if (!query) return null
  const [source] = tablesRead(query.from).filter((table) => !moment.isNew(table))
  return source === undefined ? null : { table: source, verb: query.verb, isSmall: false }

  function change(table: string, verb: RowsChanged['verb'], where: Node | undefined): RowsChanged | null {
    return moment.isNew(table) ? null : { table, verb, isSmall: namesRows(where, table, moment) }
  }
}

/** `from (values (1, 'a'), (2, 'b')) as s (id, note)`: as many rows as somebody wrote down. */
function isList(node: Node): boolean {
  const query = 'RangeSubselect' in node ? node.RangeSubselect.subquery : undefined
  return query !== undefined && 'SelectStmt' in query && query.SelectStmt.valuesLists !== undefined
}

function copiedQuery(node: Node): { from: unknown; verb: RowsChanged['verb'] } | null {
  if ('CreateTableAsStmt' in node && node.CreateTableAsStmt.objtype === 'OBJECT_TABLE')
    return node.CreateTableAsStmt.into?.skipData ? null : { from: node.CreateTableAsStmt.query, verb: 'copied' }
  if ('InsertStmt' in node && node.InsertStmt.selectStmt) {
    const { selectStmt, withClause } = node.InsertStmt
    return { from: { SelectStmt: { selectStmt, withClause } }, verb: 'copied' }
  }
  if ('SelectStmt' in node && node.SelectStmt.intoClause) return { from: node, verb: 'copied' }
  return null
}

/** Tables that the FROM clauses of a query name, but for the names that WITH gives to queries. */
export function tablesRead(query: unknown): string[] {
  const queries = new Set<string>()
  const tables: string[] = []
  walkTree([{ Root: query }], (tag, content) => {
    if (tag === 'CommonTableExpr') queries.add(`public.${String(content['ctename'])}`)
    if (tag === 'IntoClause') return false
    if (tag === 'RangeVar') tables.push(relationKey(content))
    return undefined
  })
  return tables.filter((name) => !queries.has(name))
}

/** Whether a condition picks rows by the values of a key: `id = 1`, `code in ('a', 'b')`, alone or with others by AND. */
function namesRows(where: Node | undefined, table: string, moment: Moment): boolean {
  if (!where) return false
  if ('BoolExpr' in where)
    return (
      where.BoolExpr.boolop === 'AND_EXPR' && (where.BoolExpr.args ?? []).some((arg) => namesRows(arg, table, moment))
    )
  if (!('A_Expr' in where)) return false
  const { kind, name, lexpr, rexpr } = where.A_Expr
  if ((kind !== 'AEXPR_OP' && kind !== 'AEXPR_IN') || path(name).at(-1) !== '=') return false
  return isKey(lexpr, table, moment) && isConstant(rexpr)
}

function isKey(node: Node | undefined, table: string, { catalog }: Moment): boolean {
  const column = node && 'ColumnRef' in node ? path(node.ColumnRef.fields).at(-1) : undefined
  if (column === undefined) return false
  const known = catalog.tables.get(table)
  if (!known) return column === 'id'
  return [...known.indexes.values()].some(({ unique, keys }) => unique && keys.some((key) => key.column === column))
}

function isConstant(node: Node | undefined): boolean {
  if (!node) return false
  if ('List' in node) return (node.List.items ?? []).every(isConstant)
  if ('TypeCast' in node) return isConstant(node.TypeCast.arg)
  return 'A_Const' in node
}
