import { relationKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const concurrentIndexUnnamed: LintRule = {
  id: 'concurrent-index-unnamed',
  family: 'locks',
  severity: 'error',
  effect:
    'A build that was interrupted leaves an invalid index, and nobody can tell that it is this one: the next run builds a second one.',
  instead: 'Give the index a name: create index concurrently NAME on ..',
  on: ['IndexStmt'],
  *check({ node }) {
    if (!('IndexStmt' in node)) return
    const { concurrent, idxname, relation } = node.IndexStmt
    if (!concurrent || idxname !== undefined) return
    const table = relationKey(relation)
    yield { object: table, message: `the index that is built concurrently on '${table}' has no name` }
  },
}
