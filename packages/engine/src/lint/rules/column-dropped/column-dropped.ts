import { isNewObject } from '../../locks/is-new-object.ts'
import { existingSteps } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

export const columnDropped: LintRule = {
  id: 'column-dropped',
  family: 'destruction',
  severity: 'error',
  effect:
    'Its values are lost, and running clients that read or write it fail, also those that cache the list of columns.',
  instead:
    'Deploy code that no longer reads or writes it, then drop it in a later file and say why: -- imhotep:ignore column-dropped <reason>.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const { table, command, start } of existingSteps(statement, moment)) {
      const { subtype, name = '', missing_ok: isTolerant } = command
      if (subtype !== 'AT_DropColumn') continue
      const known = moment.catalog.tables.get(table)
      const column = known?.columns.get(name)
      if (known && (column ? isNewObject(column.position, moment) : isTolerant)) continue
      yield {
        at: start,
        object: `${table}.${name}`,
        message: `column '${name}' of '${table}' is dropped with all its values`,
        related: column?.position ? [{ ...column.position, message: 'added here' }] : [],
      }
    }
  },
}
