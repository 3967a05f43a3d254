import { relationKey } from '../../history/names.ts'
import { insertWordAlone } from '../../locks/insert-word.ts'
import type { LintRule } from '../../rule.ts'

export const indexNotConcurrent: LintRule = {
  id: 'index-not-concurrent',
  family: 'locks',
  severity: 'error',
  effect: 'Writers of the table wait until the whole index is built: minutes on a large table.',
  instead:
    'create index concurrently .., alone in its file. On a partitioned table: create index on only the parent, concurrently on each partition, then alter index .. attach partition.',
  on: ['IndexStmt'],
  *check(statement, moment) {
    if (!('IndexStmt' in statement.node)) return
    const { concurrent, relation, idxname } = statement.node.IndexStmt
    const table = relationKey(relation)
    if (concurrent || moment.isNew(table)) return
    const isPartitioned = moment.catalog.tables.get(table)?.partitionKey != null
    // On the parent alone nothing is built: the index stays invalid until one of each partition is attached.
    if (isPartitioned && relation?.inh !== true) return
    const index = idxname === undefined ? 'an index' : `index '${idxname}'`
    yield {
      object: table,
      message: `writers of '${table}' wait while ${index} is built`,
      ...(isPartitioned
        ? {}
        : {
            ...(idxname === undefined
              ? {}
              : insertWordAlone(statement, moment, /^create\s+(unique\s+)?index\b/i, 'concurrently')),
            fix: statement.text.replace(/^create\s+(unique\s+)?index\b/i, '$& concurrently'),
          }),
    }
  },
}
