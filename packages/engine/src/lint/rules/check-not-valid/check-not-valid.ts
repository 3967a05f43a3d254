import { addedColumn, addedConstraint, columnConstraints, existingSteps } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

export const checkNotValid: LintRule = {
  id: 'check-not-valid',
  family: 'locks',
  severity: 'error',
  effect: 'Readers and writers wait while every existing row is checked.',
  instead: 'Add the check as NOT VALID, then alter table .. validate constraint in the next file.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      const constraint = addedConstraint(step)
      if (constraint?.contype === 'CONSTR_CHECK') {
        if (constraint.skip_validation || !constraint.is_enforced) continue
        yield {
          at: step.start,
          object: step.table,
          message: `all that use '${step.table}' wait while check${constraint.conname ? ` '${constraint.conname}'` : ''} is tried on every row`,
          edit: { start: step.end, end: step.end, text: ' not valid' },
        }
        continue
      }
      const column = addedColumn(step, moment)
      if (
        !column ||
        !columnConstraints(column).some(({ contype, is_enforced: is }) => contype === 'CONSTR_CHECK' && is)
      )
        continue
      yield {
        at: step.start,
        object: `${step.table}.${column.colname}`,
        message: `all that use '${step.table}' wait while the check of new column '${column.colname}' is tried on every row`,
      }
    }
  },
}
