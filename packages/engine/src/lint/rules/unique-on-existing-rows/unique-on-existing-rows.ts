import { relationKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const uniqueOnExistingRows: LintRule = {
  id: 'unique-on-existing-rows',
  family: 'destruction',
  severity: 'info',
  // The safe way to a unique key looks like this too: only the rows can tell.
  profile: 'style',
  effect:
    'The file fails when two rows agree, a concurrent build leaves an invalid index; clients that write the same twice fail.',
  instead: 'Look for duplicates before: select COLUMNS, count(*) from TABLE group by COLUMNS having count(*) > 1.',
  on: ['IndexStmt'],
  *check({ node }, moment) {
    if (!('IndexStmt' in node) || !node.IndexStmt.unique) return
    const table = relationKey(node.IndexStmt.relation)
    if (!moment.isNew(table)) yield { object: table, message: `rows of '${table}' must be unique from here on` }
  },
}
