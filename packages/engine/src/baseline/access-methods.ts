import { quoteIdentifier, quoteQualified } from '../bundle/quote.ts'
import { parseSql } from '../parse/parse-sql.ts'
import type { Node } from '../parse/parser.ts'
import type { Written } from './fold-dump.ts'

/** The table access method that PostgreSQL comes with. */
const USUAL = 'heap'

/**
 * The catalog holds no access methods: tables that do not lie in a heap get theirs by a statement of their own. An export
 * says it ahead of its tables, with `SET default_table_access_method`.
 */
export async function accessMethods(
  all: readonly Written[],
): Promise<(Written & { readonly line: number; readonly reason: string })[]> {
  const found: (Written & { line: number; reason: string })[] = []
  let current = USUAL
  for (const {
    statement: { node, line },
    searchPath,
  } of all) {
    current = setMethod(node) ?? current
    const made = madeTable(node)
    const method = made?.method ?? current
    if (!made || method === USUAL) continue
    const text = `alter ${made.kind} ${made.name} set access method ${quoteIdentifier(method)};`
    const [statement] = (await parseSql(text, 'access methods')).statements
    if (statement) found.push({ line, reason: `access method ${method} of ${made.name}`, statement, searchPath })
  }
  return found
}

function setMethod(node: Node): string | null {
  if (!('VariableSetStmt' in node) || node.VariableSetStmt.name !== 'default_table_access_method') return null
  const [arg] = node.VariableSetStmt.args ?? []
  return (arg && 'A_Const' in arg && 'sval' in arg.A_Const ? arg.A_Const.sval?.sval : undefined) ?? USUAL
}

/** A partitioned table holds no rows: what it hands down to partitions is said of each of them. */
function madeTable(
  node: Node,
): { readonly kind: string; readonly name: string; readonly method: string | undefined } | null {
  if ('CreateStmt' in node) {
    const { relation, accessMethod, partspec } = node.CreateStmt
    if (partspec) return null
    return { kind: 'table', name: quoteQualified(relation?.schemaname, relation?.relname ?? ''), method: accessMethod }
  }
  if (!('CreateTableAsStmt' in node) || node.CreateTableAsStmt.objtype !== 'OBJECT_MATVIEW') return null
  const { into } = node.CreateTableAsStmt
  const name = quoteQualified(into?.rel?.schemaname, into?.rel?.relname ?? '')
  return { kind: 'materialized view', name, method: into?.accessMethod }
}
