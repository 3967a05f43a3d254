import { relationKey } from '../../history/names.ts'
import { existingSteps } from '../../locks/alter-steps.ts'
import { defaultPartition } from '../../../catalog/default-partition.ts'
import type { LintRule } from '../../rule.ts'

export const detachNotConcurrent: LintRule = {
  id: 'detach-not-concurrent',
  family: 'locks',
  severity: 'warning',
  effect: 'All that use the partitioned table wait behind every query that runs on it when the partition leaves.',
  instead: 'alter table .. detach partition .. concurrently, alone in its file.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      const { subtype, def } = step.command
      if (subtype !== 'AT_DetachPartition' || !def || !('PartitionCmd' in def) || def.PartitionCmd.concurrent) continue
      const partition = relationKey(def.PartitionCmd.name)
      if (moment.isNew(partition)) continue
      // PostgreSQL refuses the weak lock while there is a default partition.
      if (defaultPartition(step.table, moment.catalog)) continue
      const isAlone = moment.file.statements.length === 1
      yield {
        at: step.start,
        object: partition,
        message: `all that use '${step.table}' wait while '${partition}' is detached`,
        ...(isAlone ? { edit: { start: step.end, end: step.end, text: ' concurrently' } } : {}),
        fix: `${statement.text} concurrently`,
      }
    }
  },
}
