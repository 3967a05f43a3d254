import { addedConstraint, alterSteps } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

export const notValidRefused: LintRule = {
  id: 'not-valid-refused',
  family: 'locks',
  severity: 'error',
  effect: 'PostgreSQL before 18 refuses the statement: a foreign key of a partitioned table cannot be NOT VALID.',
  instead:
    'Add the key as NOT VALID to each partition and validate it there, then add it without NOT VALID to the partitioned table.',
  on: ['AlterTableStmt'],
  *check(statement, { catalog, serverVersion }) {
    if (serverVersion >= 18) return
    for (const step of alterSteps(statement)) {
      const constraint = addedConstraint(step)
      if (constraint?.contype !== 'CONSTR_FOREIGN' || !constraint.skip_validation) continue
      if (catalog.tables.get(step.table)?.partitionKey == null) continue
      yield {
        at: step.start,
        object: step.table,
        message: `PostgreSQL ${serverVersion} takes no foreign key of partitioned table '${step.table}' that is not valid`,
      }
    }
  },
}
