import { relationKey } from '../../history/names.ts'
import { tablesRead } from '../../locks/rows-changed.ts'
import type { LintRule } from '../../rule.ts'

export const tableCopied: LintRule = {
  id: 'table-copied',
  family: 'locks',
  severity: 'info',
  profile: 'style',
  effect:
    'One transaction copies all rows: vacuum cannot clean up anywhere while it runs; the copy has no keys, defaults, checks, grants or policies.',
  instead: 'create table .. (like .. including all), then copy the rows in batches.',
  on: ['CreateTableAsStmt', 'SelectStmt'],
  *check({ node }, moment) {
    const created = 'CreateTableAsStmt' in node ? node.CreateTableAsStmt : null
    const into = created?.into ?? ('SelectStmt' in node ? node.SelectStmt.intoClause : undefined)
    if (!into || created?.objtype === 'OBJECT_MATVIEW' || into.skipData || into.rel?.relpersistence === 't') return
    const [source] = tablesRead(created ? created.query : node).filter((table) => !moment.isNew(table))
    const name = relationKey(into.rel)
    if (source) yield { object: name, message: `'${name}' is a copy of rows of '${source}'` }
  },
}
