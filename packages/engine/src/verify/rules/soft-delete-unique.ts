import type { Table } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

interface Key {
  readonly table: Table
  readonly name: string
  readonly columns: readonly (string | null)[]
  readonly predicate: string | null
  readonly comment: string | null
  readonly position: Table['position']
}

export const softDeleteUnique = defineRule<Key>({
  id: 'soft-delete-unique',
  family: 'structure',
  severity: 'info',
  profile: 'style',
  effect: 'A row that was taken out of use keeps its value for ever: nobody can give it to a new row.',
  instead:
    'create unique index ... where deleted_at is null; a number that is never given again: say so in a comment on the key.',
  *subjects({ tables, policy }) {
    for (const table of tables) {
      if (table.partitionOf !== null || !table.columns.has(policy.softDeleteColumn)) continue
      for (const index of table.indexes.values()) {
        const constraint = table.constraints.get(index.name)
        if (!index.unique || constraint?.kind === 'primary key') continue
        const { name, predicate } = index
        const columns = index.keys.map((key) => key.column)
        const comment = index.comment ?? constraint?.comment ?? null
        yield { table, name, columns, predicate, comment, position: index.position ?? constraint?.position }
      }
    }
  },
  *check({ table, name, columns, predicate, comment, position }, { policy }) {
    if (comment !== null || predicate !== null || columns.includes(policy.softDeleteColumn)) return
    const object = nameOf(table)
    const message = `unique key ${name} of ${object} also counts rows with ${policy.softDeleteColumn}`
    yield { object, message, position: position ?? table.position }
  },
})
