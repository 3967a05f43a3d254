import { formatType } from '../../../catalog/files/format-type.ts'
import { existingSteps } from '../../locks/alter-steps.ts'
import { isNarrower } from '../../locks/type-change.ts'
import type { LintRule } from '../../rule.ts'

export const typeNarrowed: LintRule = {
  id: 'type-narrowed',
  family: 'destruction',
  severity: 'error',
  effect:
    'The file fails at the first value that does not fit, or cuts digits off; running clients that write such values fail.',
  instead:
    'Let the code write only what fits, add a check as NOT VALID and validate it: it shows the rows that do not fit, and then nothing needs to change.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      const { subtype, def, name = '' } = step.command
      if (subtype !== 'AT_AlterColumnType' || !def || !('ColumnDef' in def)) continue
      const column = moment.catalog.tables.get(step.table)?.columns.get(name)
      const after = formatType(def.ColumnDef.typeName ?? {})
      if (!column || !isNarrower(column.type, after)) continue
      yield {
        at: step.start,
        object: `${step.table}.${name}`,
        message: `'${name}' of '${step.table}' goes from ${column.type} to ${after}, which holds less`,
        related: column.position ? [{ ...column.position, message: 'added here' }] : [],
      }
    }
  },
}
