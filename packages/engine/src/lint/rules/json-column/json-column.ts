import { formatType } from '../../../catalog/files/format-type.ts'
import { addedColumn, existingSteps } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

export const jsonColumn: LintRule = {
  id: 'json-column',
  family: 'destruction',
  severity: 'warning',
  effect:
    'json has no equality: queries over the table that say select distinct, union or group by with all columns fail from then on.',
  instead: 'Use jsonb, unless white space and the order of keys must be kept.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      const column = addedColumn(step, moment)
      if (!column || formatType(column.typeName ?? {}).replace('[]', '') !== 'json') continue
      yield {
        at: step.start,
        object: `${step.table}.${column.colname}`,
        message: `new column '${column.colname}' of '${step.table}' is json, which has no equality`,
      }
    }
  },
}
