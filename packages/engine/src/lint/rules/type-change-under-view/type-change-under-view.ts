import { viewReadsColumn } from '../../history/view-columns.ts'
import { formatType } from '../../../catalog/files/format-type.ts'
import { alterSteps } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

export const typeChangeUnderView: LintRule = {
  id: 'type-change-under-view',
  family: 'destruction',
  severity: 'error',
  effect: 'PostgreSQL refuses to change the type of a column that a view reads: the file fails.',
  instead: 'Drop the view first and create it again behind the change, with its grants.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const { table, command, start } of alterSteps(statement)) {
      const { subtype, def, name = '' } = command
      if (subtype !== 'AT_AlterColumnType' || !def || !('ColumnDef' in def)) continue
      const before = moment.catalog.tables.get(table)?.columns.get(name)?.type
      if (before === undefined || before === formatType(def.ColumnDef.typeName ?? {})) continue
      for (const [view, definition] of moment.catalog.views) {
        if (!viewReadsColumn(definition, table, name, moment.catalog)) continue
        yield {
          at: start,
          object: `${table}.${name}`,
          message: `the type of '${name}' changes, but view '${view}' reads it`,
          related: definition.position ? [{ ...definition.position, message: 'the view is created here' }] : [],
        }
      }
    }
  },
}
