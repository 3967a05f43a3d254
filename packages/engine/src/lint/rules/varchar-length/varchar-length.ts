import { formatType } from '../../../catalog/files/format-type.ts'
import { columnsOf } from '../../structure/columns-of.ts'
import type { LintRule } from '../../rule.ts'

export const varcharLength: LintRule = {
  id: 'varchar-length',
  family: 'structure',
  severity: 'info',
  profile: 'style',
  effect: 'A length in the type saves nothing, and to change it every view on the column stands in the way.',
  instead: 'text, with a check on its length where there is a reason for one.',
  on: ['CreateStmt', 'AlterTableStmt'],
  *check(statement) {
    for (const { table, column } of columnsOf(statement)) {
      const type = formatType(column.typeName ?? {})
      if (!type.startsWith('character varying(')) continue
      const name = column.colname ?? ''
      yield {
        at: column.location ?? statement.start,
        object: `${table}.${name}`,
        message: `column '${name}' is ${type}`,
      }
    }
  },
}
