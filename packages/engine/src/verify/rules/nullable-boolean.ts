import type { Column, Table } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const nullableBoolean = defineRule<{ table: Table; column: Column }>({
  id: 'nullable-boolean',
  family: 'structure',
  severity: 'info',
  profile: 'style',
  effect: 'There are three answers instead of two: `where not x` misses the rows that say nothing.',
  instead:
    'boolean not null default false; where nothing is known is a third answer, a text with a check that names all three.',
  *subjects({ tables }) {
    for (const table of tables) {
      if (table.partitionOf !== null) continue
      for (const column of table.columns.values()) if (column.type === 'boolean') yield { table, column }
    }
  },
  *check({ table, column }) {
    if (column.notNull || column.generated !== null) return
    const object = `${nameOf(table)}.${column.name}`
    yield { object, message: `${object} is true, false or null`, position: column.position ?? table.position }
  },
})
