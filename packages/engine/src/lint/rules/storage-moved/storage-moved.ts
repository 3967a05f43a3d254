import { relationKey } from '../../history/names.ts'
import { indexOwner } from '../../locks/index-owner.ts'
import type { LintRule } from '../../rule.ts'

export const storageMoved: LintRule = {
  id: 'storage-moved',
  family: 'locks',
  severity: 'error',
  effect: 'Every byte is copied while readers and writers wait.',
  instead: 'Move tables with pg_repack, or in a maintenance window; build an index concurrently in the new tablespace.',
  on: ['AlterTableStmt', 'AlterTableMoveAllStmt'],
  *check({ node, start }, moment) {
    if ('AlterTableMoveAllStmt' in node) {
      const { orig_tablespacename: from, new_tablespacename: to } = node.AlterTableMoveAllStmt
      yield { at: start, object: null, message: `everything in tablespace '${from}' is copied to '${to}'` }
    }
    if (!('AlterTableStmt' in node)) return
    const name = relationKey(node.AlterTableStmt.relation)
    if (moment.isNew(name) || moment.isNew(indexOwner(name, moment.catalog)?.table ?? '')) return
    // A partitioned table has no rows of its own.
    if (moment.catalog.tables.get(name)?.partitionKey != null) return
    for (const item of node.AlterTableStmt.cmds ?? []) {
      const subtype = 'AlterTableCmd' in item ? item.AlterTableCmd.subtype : undefined
      if (subtype === 'AT_SetTableSpace')
        yield { object: name, message: `'${name}' is copied to another tablespace while all that use it wait` }
      if (subtype === 'AT_SetAccessMethod')
        yield {
          object: name,
          message: `'${name}' is written anew for another access method while all that use it wait`,
        }
    }
  },
}
