import { relationKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const partitionCreatedInPlace: LintRule = {
  id: 'partition-created-in-place',
  family: 'locks',
  severity: 'info',
  profile: 'style',
  effect: 'CREATE TABLE .. PARTITION OF locks out readers and writers of the whole partitioned table for a moment.',
  instead:
    'create table NEW (like PARENT including all), then alter table PARENT attach partition NEW, which lets both go on.',
  on: ['CreateStmt'],
  *check({ node }, moment) {
    if (!('CreateStmt' in node) || !node.CreateStmt.partbound) return
    const [parent] = node.CreateStmt.inhRelations ?? []
    const name = parent && 'RangeVar' in parent ? relationKey(parent.RangeVar) : null
    if (name !== null && !moment.isNew(name))
      yield { object: name, message: `all that use '${name}' wait while the partition is created in it` }
  },
}
