import type { Constraint, Index, Table } from '../../catalog/model.ts'
import { columnList, qualified } from '../../print/sql-text.ts'
import { nameOf } from '../context.ts'
import { plainExpression } from '../expression.ts'
import { defineRule } from '../rule.ts'

export const foreignKeyIndex = defineRule<{ table: Table; key: Constraint }>({
  id: 'foreign-key-index',
  family: 'structure',
  severity: 'warning',
  effect: 'Deleting or re-keying the referenced row, and listing by the reference, scan the whole table.',
  instead: 'create index on t (<columns of the foreign key>); an index or key that begins with them will do.',
  *subjects(context) {
    for (const table of context.tables) {
      if (table.partitionOf !== null) continue
      for (const key of table.constraints.values()) if (key.kind === 'foreign key') yield { table, key }
    }
  },
  *check({ table, key }) {
    if ([...table.indexes.values()].some((index) => covers(index, key.columns))) return
    yield {
      object: nameOf(table),
      message: `foreign key ${key.name} of ${nameOf(table)} has no index on (${key.columns.join(', ')})`,
      position: key.position ?? table.position,
      fix: `create index on ${qualified(table)} ${columnList(key.columns)};`,
    }
  },
})

function covers(index: Index, columns: readonly string[]): boolean {
  const leading = index.keys.slice(0, columns.length).map((key) => key.column)
  if (!index.valid || !columns.every((column) => leading.includes(column))) return false
  if (index.predicate === null) return true
  // Rows whose reference is null need no entry.
  const predicate = plainExpression(index.predicate)
  return columns.some((column) => predicate === `${column}isnotnull`)
}
