import type { Constraint, Table } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

export const foreignKeyAction = defineRule<{ table: Table; key: Constraint }>({
  id: 'foreign-key-action',
  family: 'structure',
  severity: 'info',
  profile: 'style',
  effect:
    'Whoever deletes the referenced row finds out by an error what was meant to happen to the rows that point to it.',
  instead: 'Say it: on delete restrict, cascade or set null.',
  *subjects({ tables }) {
    for (const table of tables) {
      if (table.partitionOf !== null) continue
      for (const key of table.constraints.values()) if (key.kind === 'foreign key') yield { table, key }
    }
  },
  *check({ table, key }) {
    if (key.onDelete !== 'no action' || key.deferrable) return
    const object = nameOf(table)
    const message = `foreign key ${key.name} of ${object} does not say what a delete does`
    yield { object, message, position: key.position ?? table.position }
  },
})
