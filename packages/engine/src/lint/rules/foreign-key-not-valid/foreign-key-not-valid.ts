import { relationKey } from '../../history/names.ts'
import {
  addedColumn,
  addedConstraint,
  columnConstraints,
  existingSteps,
  type AlterStep,
} from '../../locks/alter-steps.ts'
import { isKeyOfAllPartitions } from '../../locks/partition-keys.ts'
import type { LintRule, Moment } from '../../rule.ts'

export const foreignKeyNotValid: LintRule = {
  id: 'foreign-key-not-valid',
  family: 'locks',
  severity: 'error',
  effect: 'Both tables refuse writes while every existing row is looked up.',
  instead:
    'Add the key as NOT VALID, then alter table .. validate constraint in the next file. On a partitioned table before PostgreSQL 18: add it so to each partition, then to the parent.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      const target = checkedKey(step, moment)
      if (target === null) continue
      const canBeNotValid = addedConstraint(step) !== null && !isRefused(step.table, moment)
      yield {
        at: step.start,
        object: step.table,
        message: `'${step.table}' and '${target}' refuse writes while every row of '${step.table}' is checked`,
        ...(canBeNotValid ? { edit: { start: step.end, end: step.end, text: ' not valid' } } : {}),
      }
    }
  },
}

/** The table that a foreign key points to, when the rows are checked: those of a new column without a default are null. */
function checkedKey(step: AlterStep, moment: Moment): string | null {
  const constraint = addedConstraint(step)
  if (constraint) {
    const isChecked = constraint.skip_validation !== true && constraint.is_enforced === true
    if (constraint.contype !== 'CONSTR_FOREIGN' || !isChecked) return null
    return isKeyOfAllPartitions(moment.catalog, step.table, constraint) ? null : relationKey(constraint.pktable)
  }
  const column = addedColumn(step, moment)
  if (!column) return null
  const constraints = columnConstraints(column)
  const key = constraints.find(({ contype }) => contype === 'CONSTR_FOREIGN')
  const hasValue = constraints.some(({ contype }) => contype === 'CONSTR_DEFAULT' || contype === 'CONSTR_GENERATED')
  return key && hasValue ? relationKey(key.pktable) : null
}

function isRefused(table: string, { catalog, serverVersion }: Moment): boolean {
  return serverVersion < 18 && catalog.tables.get(table)?.partitionKey != null
}
