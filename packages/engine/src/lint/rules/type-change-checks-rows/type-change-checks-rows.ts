import { formatType } from '../../../catalog/files/format-type.ts'
import { droppedConstraints, existingSteps } from '../../locks/alter-steps.ts'
import { keepsValue } from '../../locks/keeps-value.ts'
import { typeChange } from '../../locks/type-change.ts'
import type { LintRule } from '../../rule.ts'

export const typeChangeChecksRows: LintRule = {
  id: 'type-change-checks-rows',
  family: 'locks',
  severity: 'warning',
  effect:
    'The rows stay as they are, but readers and writers wait while each is held against the checks on the column.',
  instead:
    'alter table .. drop constraint C, alter column .. type .., add constraint C check (..) not valid; validate it in the next file.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    const dropped = droppedConstraints(statement)
    for (const step of existingSteps(statement, moment)) {
      const { subtype, def, name = '' } = step.command
      const table = moment.catalog.tables.get(step.table)
      const column = table?.columns.get(name)
      if (subtype !== 'AT_AlterColumnType' || !def || !('ColumnDef' in def) || !table || !column) continue
      const [before, after] = [column.type, formatType(def.ColumnDef.typeName ?? {})]
      // A rewrite checks all rows on its way, and another rule tells of it.
      if (!keepsValue(def.ColumnDef, name) || typeChange(before, after, moment.catalog) !== 'none') continue
      for (const { kind, validated, columns, name: check, position } of table.constraints.values()) {
        if (kind !== 'check' || !validated || !columns.includes(name) || dropped.has(check)) continue
        yield {
          at: step.start,
          object: `${step.table}.${name}`,
          message: `'${name}' goes from ${before} to ${after}: every row of '${step.table}' is held against '${check}'`,
          related: position ? [{ ...position, message: 'the check is added here' }] : [],
        }
      }
    }
  },
}
