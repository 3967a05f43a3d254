import { formatType } from '../../../catalog/files/format-type.ts'
import { columnsOf } from '../../structure/columns-of.ts'
import type { LintRule } from '../../rule.ts'

export const characterColumn: LintRule = {
  id: 'character-column',
  family: 'destruction',
  severity: 'info',
  profile: 'style',
  effect:
    'char(n) pads with blanks that comparisons ignore and that come out of every query; to make it longer later the table is written anew.',
  instead: 'text with a check on its length, which can be changed without a rewrite.',
  on: ['CreateStmt', 'AlterTableStmt'],
  *check(statement) {
    for (const { table, column } of columnsOf(statement)) {
      const type = formatType(column.typeName ?? {})
      if (!/^character(\(|\[|$)/.test(type) || type === 'character(1)') continue
      yield {
        at: column.location ?? statement.start,
        object: `${table}.${column.colname ?? ''}`,
        message: `column '${column.colname ?? ''}' is ${type}, which pads with blanks`,
      }
    }
  },
}
