import { relationKey } from '../../history/names.ts'
import { existingSteps } from '../../locks/alter-steps.ts'
import { boundIsChecked } from '../../locks/known-checks.ts'
import type { LintRule } from '../../rule.ts'

export const attachScans: LintRule = {
  id: 'attach-scans',
  family: 'locks',
  severity: 'warning',
  effect: 'All that use the table wait while PostgreSQL looks whether each of its rows belongs into the partition.',
  instead:
    'Give the table a check that says the same as the bound (with is not null) as NOT VALID, validate it in the next file, then attach, then drop the check.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      const { subtype, def } = step.command
      if (subtype !== 'AT_AttachPartition' || !def || !('PartitionCmd' in def)) continue
      const name = relationKey(def.PartitionCmd.name)
      const child = moment.catalog.tables.get(name)
      const key = moment.catalog.tables.get(step.table)?.partitionKey ?? null
      if (moment.isNew(name) || (child && boundIsChecked(child, key, def.PartitionCmd.bound))) continue
      yield {
        at: step.start,
        object: name,
        message: `every row of '${name}' is read when it becomes a partition of '${step.table}'`,
      }
    }
  },
}
