import { relationKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const rowsTruncated: LintRule = {
  id: 'rows-truncated',
  family: 'destruction',
  severity: 'error',
  effect: 'All rows are lost, no delete trigger sees them go, and with CASCADE those of every table that refers to it.',
  instead: 'Delete the rows that must go by a condition, in batches.',
  on: ['TruncateStmt'],
  *check({ node }, moment) {
    if (!('TruncateStmt' in node)) return
    const { relations = [], behavior } = node.TruncateStmt
    for (const item of relations) {
      if (!('RangeVar' in item)) continue
      const name = relationKey(item.RangeVar)
      const also = behavior === 'DROP_CASCADE' ? referring(name, moment.catalog.tables) : []
      const hit = [name, ...also].filter((table) => !moment.isNew(table))
      if (hit.length === 0) continue
      yield {
        at: item.RangeVar.location ?? 0,
        object: name,
        message: `all rows of ${hit.map((table) => `'${table}'`).join(', ')} are lost`,
      }
    }
  },
}

/** Tables with a foreign key to one, and to those, and so on. */
function referring(
  name: string,
  tables: ReadonlyMap<string, { constraints: ReadonlyMap<string, { references: string | null }> }>,
): string[] {
  const found = new Set([name])
  for (const target of found)
    for (const [other, { constraints }] of tables)
      if ([...constraints.values()].some(({ references }) => references === target)) found.add(other)
  return [...found].slice(1)
}
