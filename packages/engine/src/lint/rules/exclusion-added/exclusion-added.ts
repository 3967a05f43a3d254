import { addedConstraint, existingSteps } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

export const exclusionAdded: LintRule = {
  id: 'exclusion-added',
  family: 'locks',
  severity: 'error',
  effect: 'Readers and writers wait while the index is built and every row is compared; there is no NOT VALID for it.',
  instead:
    'Build it on a copy: a new table with the constraint that takes the rows in batches (a trigger keeps it current) and then the name; or run the file in a maintenance window.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      if (addedConstraint(step)?.contype !== 'CONSTR_EXCLUSION') continue
      yield {
        at: step.start,
        object: step.table,
        message: `all that use '${step.table}' wait while the index of its exclusion constraint is built`,
      }
    }
  },
}
