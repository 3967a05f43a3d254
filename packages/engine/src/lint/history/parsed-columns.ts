import { formatType } from '../../catalog/files/format-type.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { path } from '../../parse/references.ts'

const SERIAL: Readonly<Record<string, string>> = { serial: 'integer', bigserial: 'bigint', smallserial: 'smallint' }

/** Name and type of the columns that a CREATE TABLE writes out; null where it takes them from elsewhere (LIKE, a parent). */
export function parsedColumns({
  tableElts = [],
  inhRelations,
}: Extract<ParsedStatement['node'], { CreateStmt: unknown }>['CreateStmt']): Map<string, string> | null {
  if (inhRelations?.length || tableElts.some((element) => 'TableLikeClause' in element)) return null
  const columns = new Map<string, string>()
  for (const element of tableElts) {
    if (!('ColumnDef' in element)) continue
    const { colname = '', typeName = {} } = element.ColumnDef
    const [name = ''] = path(typeName.names)
    columns.set(colname, SERIAL[name] ?? formatType(typeName))
  }
  return columns
}
