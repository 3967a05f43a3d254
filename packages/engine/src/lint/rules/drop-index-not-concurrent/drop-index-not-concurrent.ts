import { path } from '../../../parse/references.ts'
import { typeKey } from '../../history/names.ts'
import { insertWordAlone } from '../../locks/insert-word.ts'
import { indexOwner } from '../../locks/index-owner.ts'
import { quoteKey } from '../../../print/sql-text.ts'
import type { LintRule } from '../../rule.ts'

export const dropIndexNotConcurrent: LintRule = {
  id: 'drop-index-not-concurrent',
  family: 'locks',
  severity: 'warning',
  effect: 'Readers and writers of the table wait behind every query that runs on it when the drop begins.',
  instead: 'drop index concurrently .., one index at a time, alone in its file.',
  on: ['DropStmt'],
  *check(statement, moment) {
    if (!('DropStmt' in statement.node)) return
    const { removeType, objects = [], concurrent, missing_ok: isTolerant, behavior } = statement.node.DropStmt
    if (removeType !== 'OBJECT_INDEX' || concurrent) return
    for (const object of objects) {
      const name = typeKey('List' in object ? path(object.List.items) : [])
      const owner = indexOwner(name, moment.catalog)
      if (owner ? moment.isNew(owner.table) : isTolerant && moment.history.complete) continue
      // PostgreSQL drops the index of a partitioned table in no other way.
      if (owner && moment.catalog.tables.get(owner.table)?.partitionKey != null) continue
      const table = owner ? `'${owner.table}'` : 'its table'
      yield {
        object: owner?.table ?? name,
        message: `all that use ${table} wait while index '${name}' is dropped`,
        related: owner?.index.position ? [{ ...owner.index.position, message: 'created here' }] : [],
        ...(objects.length === 1 && behavior !== 'DROP_CASCADE'
          ? insertWordAlone(statement, moment, /^drop\s+index\b/i, 'concurrently')
          : {}),
        fix: `drop index concurrently ${isTolerant ? 'if exists ' : ''}${quoteKey(name)}`,
      }
    }
  },
}
