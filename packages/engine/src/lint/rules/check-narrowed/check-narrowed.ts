import type { Table } from '../../../catalog/model.ts'
import { checkValues, definedValues } from '../../locks/check-values.ts'
import { isCalled, laterStatements } from '../../destruction/later-statements.ts'
import { addedConstraint, alterSteps, existingSteps } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

export const checkNarrowed: LintRule = {
  id: 'check-narrowed',
  family: 'destruction',
  severity: 'error',
  effect: 'The file fails when a row has a value that is left out; running clients that write it fail.',
  instead: 'Let the code stop writing the value, change the rows that have it, then narrow the check.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    const steps = existingSteps(statement, moment)
    const table = moment.catalog.tables.get(steps[0]?.table ?? '')
    if (!table) return
    for (const step of steps) {
      if (step.command.subtype !== 'AT_DropConstraint') continue
      const before = valuesOf(table, step.command.name ?? '')
      if (!before) continue
      const following = laterStatements(statement, moment.file).flatMap(alterSteps)
      for (const later of [...steps, ...following]) {
        if (!isCalled(later.table, step.table)) continue
        const constraint = addedConstraint(later)
        const now = constraint?.contype === 'CONSTR_CHECK' ? checkValues(constraint.raw_expr) : null
        if (now?.column !== before.column) continue
        const lost = before.values.filter((value) => !now.values.includes(value))
        if (lost.length === 0) continue
        yield {
          at: later.start,
          object: `${step.table}.${now.column}`,
          message: `'${now.column}' of '${step.table}' may no longer be ${lost.map((value) => `'${value}'`).join(', ')}`,
          related: before.position ? [{ ...before.position, message: 'allowed here' }] : [],
        }
      }
    }
  },
}

function valuesOf({ constraints }: Table, name: string) {
  const constraint = constraints.get(name)
  const values = constraint?.kind === 'check' ? definedValues(constraint.definition) : null
  return values && { ...values, position: constraint?.position }
}
