import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { walkTree } from '../../parse/walk.ts'

/**
 * True for a statement that only reads: it belongs to the code of a migration, not to what the migration does to the
 * schema. A call may do anything, so a select that calls more than the functions below is no read.
 */
export function isRead({ node }: ParsedStatement): boolean {
  if ('VariableShowStmt' in node || 'ExplainStmt' in node) return true
  if (!('SelectStmt' in node)) return false
  let reads = true
  walkTree(node, (tag, content) => {
    if (CHANGES.has(tag)) reads = false
    if (tag === 'FuncCall' && !HARMLESS.has(lastName(content['funcname']))) reads = false
  })
  return reads && node.SelectStmt.intoClause === undefined
}

const CHANGES = new Set(['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'])

const HARMLESS = new Set(
  (
    'count sum min max avg array_agg string_agg json_agg jsonb_agg bool_and bool_or now lower upper length trim ltrim ' +
    'rtrim btrim concat format round abs date_part extract date_trunc to_char to_regclass to_regtype version ' +
    'current_database current_schema row_number rank json_build_object jsonb_build_object unnest generate_series ' +
    'pg_get_constraintdef pg_get_indexdef pg_get_viewdef pg_get_expr obj_description col_description has_table_privilege'
  ).split(' '),
)

function lastName(names: unknown): string {
  const last: unknown = Array.isArray(names) ? names.at(-1) : undefined
  return (last as { String?: { sval?: string } } | undefined)?.String?.sval ?? ''
}
