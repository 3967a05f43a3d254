import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { relationKey } from '../history/names.ts'
import { alterSteps, type ColumnNode } from '../locks/alter-steps.ts'

/** Columns that a statement writes out: of CREATE TABLE and of ADD COLUMN. */
export function columnsOf(statement: ParsedStatement): { table: string; column: ColumnNode }[] {
  const { node } = statement
  if ('CreateStmt' in node) {
    const table = relationKey(node.CreateStmt.relation)
    return (node.CreateStmt.tableElts ?? []).flatMap((item) =>
      'ColumnDef' in item ? [{ table, column: item.ColumnDef }] : [],
    )
  }
  return alterSteps(statement).flatMap(({ table, command: { def, subtype } }) =>
    subtype === 'AT_AddColumn' && def && 'ColumnDef' in def ? [{ table, column: def.ColumnDef }] : [],
  )
}
