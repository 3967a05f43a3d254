import { relationKey } from '../../history/names.ts'
import { alterSteps } from '../../locks/alter-steps.ts'
import { defaultPartition } from '../../../catalog/default-partition.ts'
import { boundIsExcluded, type Bound } from '../../locks/known-checks.ts'
import type { LintRule, Moment } from '../../rule.ts'

export const defaultPartitionScanned: LintRule = {
  id: 'default-partition-scanned',
  family: 'locks',
  severity: 'warning',
  effect:
    'All that use the default partition wait while each of its rows is looked at; one that belongs into the new partition makes the file fail.',
  instead:
    'Give the default partition a check that excludes the new bound as NOT VALID, validate it in the next file, then add the partition and drop the check.',
  on: ['AlterTableStmt', 'CreateStmt'],
  *check(statement, moment) {
    const { node } = statement
    if ('CreateStmt' in node) {
      const [parent] = node.CreateStmt.inhRelations ?? []
      if (!node.CreateStmt.partbound || !parent || !('RangeVar' in parent)) return
      yield* judge(relationKey(parent.RangeVar), node.CreateStmt.partbound, statement.start, moment)
    }
    // Whether the default partition is new decides, not its table: an old table may be the default of a new one.
    for (const step of alterSteps(statement)) {
      const { subtype, def } = step.command
      if (subtype === 'AT_AttachPartition' && def && 'PartitionCmd' in def && def.PartitionCmd.bound)
        yield* judge(step.table, def.PartitionCmd.bound, step.start, moment)
    }
  },
}

function* judge(parent: string, bound: Bound, at: number, moment: Moment) {
  if (bound.is_default) return
  const table = moment.catalog.tables.get(parent)
  const other = defaultPartition(parent, moment.catalog)
  const name = other ? `${other.schema}.${other.name}` : ''
  if (!other || moment.isNew(name) || boundIsExcluded(other, table?.partitionKey ?? null, bound)) return
  yield {
    at,
    object: name,
    message: `every row of default partition '${name}' is read when '${parent}' gets another partition`,
    related: other.position ? [{ ...other.position, message: 'the default partition is created here' }] : [],
  }
}
