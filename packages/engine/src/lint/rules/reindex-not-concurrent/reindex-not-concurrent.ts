import { isConcurrentReindex } from '../../../migrate/transaction-mode.ts'
import { relationKey } from '../../history/names.ts'
import { insertWordAlone } from '../../locks/insert-word.ts'
import { indexOwner } from '../../locks/index-owner.ts'
import type { LintRule } from '../../rule.ts'

export const reindexNotConcurrent: LintRule = {
  id: 'reindex-not-concurrent',
  family: 'locks',
  severity: 'error',
  effect: 'Writers of the table wait until the index is built anew, and so does every query that would use it.',
  instead: 'reindex index concurrently .., alone in its file; after a failure drop the invalid index that it leaves.',
  on: ['ReindexStmt'],
  *check(statement, moment) {
    if (!('ReindexStmt' in statement.node)) return
    const { kind, relation, name, params } = statement.node.ReindexStmt
    if (isConcurrentReindex(params) || kind === 'REINDEX_OBJECT_SYSTEM') return
    const object = relation ? relationKey(relation) : (name ?? 'database')
    const table = kind === 'REINDEX_OBJECT_INDEX' ? indexOwner(object, moment.catalog)?.table : object
    if (table !== undefined && moment.isNew(table)) return
    yield {
      object,
      message: `writers wait while the indexes of '${object}' are built anew`,
      ...insertWordAlone(statement, moment, /^reindex\s+(\([^)]*\)\s*)?\w+/i, 'concurrently'),
      fix: statement.text.replace(/^reindex\s+(\([^)]*\)\s*)?\w+/i, '$& concurrently'),
    }
  },
}
