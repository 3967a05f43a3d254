import { relationKey } from '../../history/names.ts'
import { alterSteps } from '../../locks/alter-steps.ts'
import { boundIsChecked } from '../../locks/known-checks.ts'
import type { LintRule, Moment } from '../../rule.ts'

export const attachScans: LintRule = {
  id: 'attach-scans',
  family: 'locks',
  severity: 'warning',
  effect: 'All that use the table wait while PostgreSQL looks whether each of its rows belongs into the partition.',
  instead:
    'Give the table a check that says the same as the bound (with is not null) as NOT VALID, validate it in the next file, then attach, then drop the check.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    // The parent may be new, as when an old table becomes its first partition.
    for (const step of alterSteps(statement)) {
      const { subtype, def } = step.command
      if (subtype !== 'AT_AttachPartition' || !def || !('PartitionCmd' in def)) continue
      const name = relationKey(def.PartitionCmd.name)
      const child = moment.catalog.tables.get(name)
      const key = moment.catalog.tables.get(step.table)?.partitionKey ?? null
      const { bound } = def.PartitionCmd
      if (moment.isNew(name) || (child && boundIsChecked(child, key, bound))) continue
      // The default partition of a table without others takes any row.
      if (bound?.is_default && moment.catalog.tables.has(step.table) && !hasPartitions(step.table, moment)) continue
      yield {
        at: step.start,
        object: name,
        message: `every row of '${name}' is read when it becomes a partition of '${step.table}'`,
      }
    }
  },
}

function hasPartitions(table: string, { catalog }: Moment): boolean {
  return [...catalog.tables.values()].some(({ partitionOf }) => partitionOf === table)
}
