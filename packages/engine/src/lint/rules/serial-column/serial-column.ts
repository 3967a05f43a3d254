import { path } from '../../../parse/references.ts'
import { columnsOf } from '../../structure/columns-of.ts'
import type { LintRule } from '../../rule.ts'

export const serialColumn: LintRule = {
  id: 'serial-column',
  family: 'structure',
  severity: 'info',
  profile: 'style',
  effect:
    'serial makes a sequence with rights of its own, and lets anybody write numbers that the sequence will give again.',
  instead: 'bigint generated always as identity',
  on: ['CreateStmt', 'AlterTableStmt'],
  *check(statement) {
    for (const { table, column } of columnsOf(statement)) {
      const type = path(column.typeName?.names).at(-1) ?? ''
      if (!/^(small|big)?serial[248]?$/.test(type)) continue
      const name = column.colname ?? ''
      yield {
        at: column.location ?? statement.start,
        object: `${table}.${name}`,
        message: `column '${name}' is ${type}`,
      }
    }
  },
}
