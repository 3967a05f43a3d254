import { existingSteps } from '../../locks/alter-steps.ts'
import { isNewObject } from '../../locks/is-new-object.ts'
import type { LintRule } from '../../rule.ts'

export const defaultDropped: LintRule = {
  id: 'default-dropped',
  family: 'destruction',
  severity: 'warning',
  effect: 'Running clients that leave the column out of an insert fail: it must not be null.',
  instead: 'Let the code write the column everywhere, then drop the default in a later file.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const { table, command, start } of existingSteps(statement, moment)) {
      const { subtype, def, name = '' } = command
      const isDrop = (subtype === 'AT_ColumnDefault' && !def) || subtype === 'AT_DropIdentity'
      const column = moment.catalog.tables.get(table)?.columns.get(name)
      // A column of the same file got its default to fill old rows; nobody counts on it.
      if (!isDrop || !column?.notNull || isNewObject(column.position, moment)) continue
      if (subtype === 'AT_ColumnDefault' && column.default === null) continue
      yield {
        at: start,
        object: `${table}.${name}`,
        message: `'${name}' of '${table}' must not be null and loses its default`,
        related: column.position ? [{ ...column.position, message: 'added here' }] : [],
      }
    }
  },
}
